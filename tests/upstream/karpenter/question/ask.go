package question

import (
	"encoding/json"
	"sort"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// How often a case is asked. The order of a Go map is random but favours what it holds first: of two entries
// the second comes first one time in eight.
const (
	certain = 2 // where no constraint can depend on the order of a map
	// Few is how often where it could.
	Few  = 24
	many = 60 // where it does
	// patient is how often where there are many answers already, so that none of them is missed.
	patient = 300
	// Most is how many answers a case may have.
	Most = 8
	// MostOfLaps is how many where a pod that gives up a preference waits until all others were tried: choices are
	// then so many that some answers need a dozen of them alike, to which a Go map tends and chance does not.
	MostOfLaps = 4
)

// Chancy says whether the order of a map can matter: some pod depends on a topology other than the hostname.
func (c *Case) Chancy() bool {
	for _, t := range c.Templates {
		for _, s := range t.Spec.TopologySpreadConstraints {
			if s.TopologyKey != corev1.LabelHostname {
				return true
			}
		}
		if a := t.Spec.Affinity; a != nil && a.PodAffinity != nil {
			for _, term := range a.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution {
				if term.TopologyKey != corev1.LabelHostname {
					return true
				}
			}
			for _, term := range a.PodAffinity.PreferredDuringSchedulingIgnoredDuringExecution {
				if term.PodAffinityTerm.TopologyKey != corev1.LabelHostname {
					return true
				}
			}
		}
	}
	return false
}

// Ask asks until the answers are known, and says whether they are: where there are more than so many, chance has too
// much of a say, and where claims are so many that an unstable sort orders them, a case is no use either.
func (c *Case) Ask(greatest int, once func() Answer) bool {
	least := certain
	if c.Chancy() {
		least = Few
	}
	seen := map[string]bool{}
	for i := 0; i < least || i < many && len(seen) > 1 || i < patient && len(seen) > greatest/2; i++ {
		a := once()
		// Up to twelve, Go's sort is an insertion sort, which is stable.
		if len(a.Claims) > 12 {
			return false
		}
		text, err := json.Marshal(a)
		if err != nil {
			panic(err)
		}
		if seen[string(text)] = true; len(seen) > greatest {
			return false
		}
	}
	texts := make([]string, 0, len(seen))
	for text := range seen {
		texts = append(texts, text)
	}
	sort.Strings(texts)
	for _, text := range texts {
		var a Answer
		if err := json.Unmarshal([]byte(text), &a); err != nil {
			panic(err)
		}
		c.Answers = append(c.Answers, a)
	}
	return true
}

// IsDaemon says whether a template is that of a DaemonSet.
func (c *Case) IsDaemon(template string) bool {
	for _, name := range c.Daemons {
		if name == template {
			return true
		}
	}
	return false
}

// Names are those of pods.
func Names(pods []*corev1.Pod) (names []string) {
	for _, p := range pods {
		names = append(names, p.Name)
	}
	return names
}

// Terminate deletes a pod gracefully. The finalizer only keeps a fake API server from taking it for gone.
func Terminate(pod *corev1.Pod, at time.Time) {
	deleted := metav1.NewTime(at)
	pod.DeletionTimestamp, pod.Finalizers = &deleted, []string{"example.com/still-there"}
}

// Amounts reads amounts of resources.
func Amounts(texts map[string]string) corev1.ResourceList {
	list := corev1.ResourceList{}
	for name, text := range texts {
		list[corev1.ResourceName(name)] = resource.MustParse(text)
	}
	return list
}
