package hpa

import (
	"fmt"
	"math/rand/v2"

	v1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
)

// pods draws them: most are ready and measured, some young, unready, missing, failed or going. They show a value, or of
// a resource what their containers use; about so many thousandths.
func pods(r *rand.Rand, kind, name string, milli int64) []pod {
	d := podDrawer{r: r, kind: kind, name: name, milli: milli, trouble: pick(r, 0, 0, 10, 30, 30, 80)}
	var all []pod
	for number := range pick(r, 0, 1, 1, 2, 2, 3, 3, 5, 5, 8, 8, 13, 40, 90) {
		one := d.pod(fmt.Sprintf("app-%d", number))
		if name != "" {
			d.requests(&one)
		}
		if kind != "" && !chance(r, d.trouble) {
			d.measure(&one)
		}
		all = append(all, one)
	}
	return all
}

type podDrawer struct {
	r          *rand.Rand
	kind, name string
	milli      int64
	// trouble is the chance that something is wrong, in percent.
	trouble int
}

func (d podDrawer) pod(name string) pod {
	r, trouble := d.r, d.trouble
	one := pod{Name: name, Phase: "Running", Containers: []container{{Name: "web"}}}
	started := float64(pick(r, 0, 5, 20, 29, 30, 31, 60, 299, 300, 301, 1000, 5000))
	if !chance(r, trouble) {
		started = float64(400 + r.IntN(5000))
	}
	if chance(r, trouble/5) {
		started += pick(r, 0.001, 0.5, 0.999)
	}
	one.StartedSecondsAgo = &started
	one.Ready = &ready{"True", max(0, started-float64(r.IntN(40)))}
	if chance(r, trouble) {
		one.Ready.Status = pick(r, "False", "False", "False", "Unknown")
		one.Ready.TransitionSecondsAgo = max(0, started-float64(pick(r, 0, 5, 29, 30, 31, 200)))
	}
	if chance(r, trouble/3) {
		one.Ready = nil
	}
	if chance(r, trouble/2) {
		one.Phase = pick(r, "Pending", "Pending", "Failed", "Succeeded", "Unknown")
	}
	if one.Phase == "Pending" && chance(r, 50) || chance(r, trouble/10) {
		one.StartedSecondsAgo = nil
	}
	one.Terminating = chance(r, trouble/4)
	return one
}

// requests lets the containers, or the pod, ask for a resource.
func (d podDrawer) requests(one *pod) {
	r, name := d.r, d.name
	// A request of memory is a whole number of bytes.
	unit, other := "m", v1.ResourceMemory
	if name == string(v1.ResourceMemory) {
		unit, other = "Mi", v1.ResourceCPU
	}
	one.Containers[0].Requests = quantities{name: pick(r, "500", "500", "500", "250", "1000", "333", "0") + unit}
	if chance(r, 3) {
		one.Containers[0].Requests = nil
	}
	if chance(r, 25) {
		one.Containers = append(one.Containers, container{Name: "log", Requests: quantities{name: "100" + unit}})
		if chance(r, 10) {
			one.Containers[1].Requests = pick(r, nil, quantities{string(other): "1"})
		}
	}
	if chance(r, 15) {
		one.InitContainers = []container{{Name: "side", Requests: quantities{name: pick(r, "50", "900") + unit}, RestartPolicy: pick(r, "", "Always", "Always")}}
		if chance(r, 20) {
			one.InitContainers[0].Requests = nil
		}
		if chance(r, 20) {
			one.InitContainers = append(one.InitContainers, container{Name: "init", Requests: quantities{name: pick(r, "40", "2000") + unit}})
		}
	}
	if chance(r, 8) {
		one.PodRequests = pick(r, quantities{name: "700" + unit}, quantities{name: "700" + unit}, quantities{string(other): "3"}, quantities{name: "1", string(other): "1"})
	}
}

// measure lets it show what it uses.
func (d podDrawer) measure(one *pod) {
	r := d.r
	one.Sample = &sample{AgeSeconds: float64(pick(r, 0, r.IntN(60), r.IntN(400)))}
	if chance(r, 10) {
		one.Sample.AgeSeconds += 0.25
	}
	if d.kind == "value" {
		if chance(r, 30) {
			one.Sample.WindowSeconds = ptr.To(float64(pick(r, 1, 30, 60, 300)))
		}
		one.Sample.Value = amount(r, d.own())
		return
	}
	one.Sample.WindowSeconds = ptr.To(float64(pick(r, 10, 15, 30, 60)))
	if one.Ready != nil && chance(r, d.trouble) {
		// A whole window since it became ready, or just not.
		one.Sample.AgeSeconds = max(0, one.Ready.TransitionSecondsAgo-*one.Sample.WindowSeconds+pick(r, -1, -0.001, 0, 0, 0.001, 1))
	}
	one.Sample.Containers = map[string]quantities{}
	own := d.own()
	for _, it := range one.Containers {
		if chance(r, 30) {
			own = d.own()
		}
		one.Sample.Containers[it.Name] = quantities{d.name: amount(r, own)}
	}
	for _, it := range one.InitContainers {
		if it.RestartPolicy != "" && chance(r, 80) {
			one.Sample.Containers[it.Name] = quantities{d.name: amount(r, own/8)}
		}
	}
	// One that shows no container at all cannot be written down.
	if chance(r, d.trouble/4) && len(one.Sample.Containers) > 1 {
		delete(one.Sample.Containers, "web")
	}
	if chance(r, 3) {
		one.Sample.Containers["old"] = quantities{d.name: amount(r, own)}
	}
	if chance(r, d.trouble/6) {
		one.Sample.Containers["web"] = quantities{"ephemeral": "1"}
	}
}

func (d podDrawer) own() int64 {
	if chance(d.r, 40) {
		return d.milli
	}
	return int64(float64(d.milli) * (0.7 + d.r.Float64()*0.6))
}
