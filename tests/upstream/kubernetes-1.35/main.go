// Program gen asks Kubernetes 1.35.6.
package main

import "scaletwin/upstream/kubernetes"

func main() { kubernetes.Main(35) }
