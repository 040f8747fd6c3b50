package prometheus

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// load reads the sets of series of a directory, if one is named; those that were drawn are left out.
func load(dir string) (all []Data, err error) {
	if dir == "" {
		return nil, nil
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		name, _, _ := strings.Cut(entry.Name(), ".")
		if strings.HasPrefix(name, "drawn-") {
			continue
		}
		data, err := read(filepath.Join(dir, entry.Name()), name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", entry.Name(), err)
		}
		all = append(all, data)
	}
	return all, nil
}

func read(path, name string) (data Data, err error) {
	file, err := os.Open(path)
	if err != nil {
		return data, err
	}
	defer file.Close()
	var text io.Reader = file
	if strings.HasSuffix(path, ".gz") {
		if text, err = gzip.NewReader(file); err != nil {
			return data, err
		}
	}
	data = Data{Name: name, Recorded: true}
	lines := bufio.NewScanner(text)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var line struct {
			Labels  map[string]string    `json:"labels"`
			Samples [][2]json.RawMessage `json:"samples"`
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return data, err
		}
		one := Series{Labels: line.Labels}
		for _, pair := range line.Samples {
			at, err := strconv.ParseInt(string(pair[0]), 10, 64)
			if err != nil {
				return data, err
			}
			value, err := number(strings.Trim(string(pair[1]), `"`))
			if err != nil {
				return data, err
			}
			one.Samples = append(one.Samples, Sample{at, value})
			if len(data.Series) == 0 && len(one.Samples) == 1 {
				data.Start, data.End = at, at
			}
			data.Start, data.End = min(data.Start, at), max(data.End, at)
		}
		data.Series = append(data.Series, one)
	}
	return data, lines.Err()
}

func number(text string) (float64, error) {
	if text == "stale" {
		return Stale, nil
	}
	return strconv.ParseFloat(text, 64)
}
