module scaletwin/upstream/keda-2.12

go 1.26

require (
	github.com/kedacore/keda/v2 v2.12.1
	scaletwin/upstream/keda v0.0.0
)

replace (
	golang.org/x/crypto => golang.org/x/crypto v0.0.0-20220829220503-c86fa9a7ed90
	golang.org/x/net => golang.org/x/net v0.17.0
	golang.org/x/text => golang.org/x/text v0.13.0
	scaletwin/upstream/keda => ../keda
)
