package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// status prints what runs with its memory and CPU time.
func (s *Stack) status() error {
	fmt.Printf("%-24s %8s %10s %10s\n", "part", "process", "MiB", "CPU s")
	missing := 0
	for _, part := range parts {
		pid, ok := s.running(part.name)
		if !ok {
			missing++
			fmt.Printf("%-24s %8s\n", part.name, "-")
			continue
		}
		fmt.Printf("%-24s %8d %10.0f %10.1f\n", part.name, pid, residentMebibytes(pid), cpuSeconds(pid))
	}
	if missing > 0 {
		return fmt.Errorf("%d of %d parts do not run", missing, len(parts))
	}
	return nil
}

func residentMebibytes(pid int) float64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(data))
	pages, err := strconv.ParseFloat(fields[1], 64)
	if err != nil {
		return 0
	}
	return pages * float64(os.Getpagesize()) / (1 << 20)
}

// cpuSeconds is user and system time; /proc counts it in hundredths.
func cpuSeconds(pid int) float64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(data[strings.LastIndexByte(string(data), ')')+1:]))
	ticks := 0.0
	for _, field := range fields[11:13] {
		value, err := strconv.ParseFloat(field, 64)
		if err == nil {
			ticks += value
		}
	}
	return ticks / 100
}
