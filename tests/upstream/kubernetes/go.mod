module scaletwin/upstream/kubernetes

go 1.26

require k8s.io/kubernetes v1.35.6
