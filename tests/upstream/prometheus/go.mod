module scaletwin/upstream/prometheus

go 1.26
