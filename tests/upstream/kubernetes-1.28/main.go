// Program gen asks Kubernetes 1.28.15.
package main

import "scaletwin/upstream/kubernetes"

func main() { kubernetes.Main(28) }
