// Program gen asks Kubernetes 1.36.3.
package main

import "scaletwin/upstream/kubernetes"

func main() { kubernetes.Main(36) }
