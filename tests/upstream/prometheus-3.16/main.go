// Program gen draws queries for Prometheus 3.16.0 and writes down its engine's answers.
package main

import "scaletwin/upstream/prometheus/engine"

func main() { engine.Main("3.16.0") }
