// Program hpa draws questions for the HPA controller of Kubernetes 1.35 and writes down its answers.
package main

import "scaletwin/upstream/kubernetes/hpa"

func main() { hpa.Main() }
