// Program gen draws queries for Prometheus 2.53.3 and writes down its engine's answers.
package main

import "scaletwin/upstream/prometheus/engine"

func main() { engine.Main("2.53.3") }
