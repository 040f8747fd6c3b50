// Program gen asks Kubernetes 1.34.4.
package main

import "scaletwin/upstream/kubernetes"

func main() { kubernetes.Main(34) }
