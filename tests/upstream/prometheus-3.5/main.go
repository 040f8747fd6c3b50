// Program gen draws queries for Prometheus 3.5.3 and writes down its engine's answers.
package main

import "scaletwin/upstream/prometheus/engine"

func main() { engine.Main("3.5.3") }
