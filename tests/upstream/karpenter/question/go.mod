module scaletwin/upstream/karpenter/question

go 1.26

require (
	k8s.io/api v0.28.3
	k8s.io/apimachinery v0.28.3
)
