// Program scheduler draws clusters for kube-scheduler 1.35 and writes down what it decides.
package main

import "scaletwin/upstream/kubernetes/scheduler"

func main() { scheduler.Main() }
