module scaletwin/upstream/kubernetes

go 1.26

require k8s.io/kubernetes v1.28.15
