package keda

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// The Prometheus of all cases. It lives outside their clock: while it answers, time stands still for them.
var prometheus struct {
	sync.Mutex
	address string
	answers []Answer
	// asked: trigger and evaluation time, in seconds.
	asked [][2]int64
}

func startPrometheus() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	prometheus.address = "http://" + listener.Addr().String()
	server := &http.Server{Handler: http.HandlerFunc(answer)}
	// A kept connection would be waited for for ever, and time would not go on.
	server.SetKeepAlivesEnabled(false)
	go func() { panic(server.Serve(listener)) }()
}

// query is a trigger's query: its number.
func query(trigger int) string { return fmt.Sprintf("q%d", trigger) }

func answer(w http.ResponseWriter, r *http.Request) {
	trigger, err := strconv.Atoi(r.URL.Query().Get("query")[1:])
	if err != nil {
		panic(err)
	}
	at, err := time.Parse(time.RFC3339, r.URL.Query().Get("time"))
	if err != nil {
		panic(err)
	}
	prometheus.Lock()
	prometheus.asked = append(prometheus.asked, [2]int64{int64(trigger), at.Unix()})
	said := prometheus.answers[trigger]
	prometheus.Unlock()
	var kind string
	var result any
	switch {
	case said.Vector != nil:
		elements := []any{}
		for number, text := range *said.Vector {
			elements = append(elements, map[string]any{
				"metric": map[string]string{"n": strconv.Itoa(number)},
				"value":  []any{at.Unix(), text},
			})
		}
		kind, result = "vector", elements
	case said.Scalar != "":
		kind, result = "scalar", []any{at.Unix(), said.Scalar}
	case said.Garbage:
		fmt.Fprint(w, "no JSON at all")
		return
	default:
		http.Error(w, "no", http.StatusInternalServerError)
		return
	}
	text, err := json.Marshal(map[string]any{
		"status": "success", "data": map[string]any{"resultType": kind, "result": result},
	})
	if err != nil {
		panic(err)
	}
	_, _ = w.Write(text)
}

// set says what is answered from now on.
func set(answers []Answer) {
	prometheus.Lock()
	defer prometheus.Unlock()
	prometheus.answers, prometheus.asked = answers, nil
}

// takeAsked gives the queries since it was asked last.
func takeAsked() [][2]int64 {
	prometheus.Lock()
	defer prometheus.Unlock()
	all := prometheus.asked
	prometheus.asked = nil
	return all
}
