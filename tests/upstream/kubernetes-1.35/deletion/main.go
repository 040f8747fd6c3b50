// Program deletion asks Kubernetes 1.35 which pods a ReplicaSet gives up.
package main

import "scaletwin/upstream/kubernetes/deletion"

func main() { deletion.Main() }
