// Program gen asks Kubernetes 1.33.13.
package main

import "scaletwin/upstream/kubernetes"

func main() { kubernetes.Main(33) }
