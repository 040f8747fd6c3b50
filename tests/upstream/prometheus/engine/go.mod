module scaletwin/upstream/prometheus/engine

go 1.26

require (
	github.com/prometheus/prometheus v0.53.3
	scaletwin/upstream/prometheus v0.0.0
)

replace scaletwin/upstream/prometheus => ..
