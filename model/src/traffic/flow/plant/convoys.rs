//! Lines before one pod that hold all clients up.

use super::{Class, Plant, SERVES, Solution};
use crate::traffic::config::{Machine, PodCpu};
use crate::traffic::state::{State, count};

impl Plant {
    /// Requests a second that clients make at most if all that they wait for stands before one pod, as it tends to where
    /// quotas bind: round robin then lets the others have no more than that one, which runs many threads at once.
    fn convoy_most(&self, solution: &Solution) -> f64 {
        self.slowest(solution).map_or(f64::INFINITY, |(_, most)| most)
    }

    /// The servers before one of which such a line stands, and what clients then make at most.
    fn slowest(&self, solution: &Solution) -> Option<(&Class, f64)> {
        let waiting = solution.rate * solution.response;
        let most = |class: &Class| self.servers * self.pod_most(class.group, class.cpu, waiting);
        let all = self.classes.iter().map(|class| (class, most(class)));
        all.min_by(|(_, a), (_, b)| a.total_cmp(b))
    }

    /// The same servers by what tells them from others.
    pub(in crate::traffic::flow) fn slowest_kind(&self, solution: &Solution) -> Option<(Machine, PodCpu)> {
        let (class, _) = self.slowest(solution)?;
        Some((self.groups[class.group].machine, class.cpu))
    }

    /// Whether some of the servers are such.
    pub(in crate::traffic::flow) fn has(&self, (machine, cpu): (Machine, PodCpu)) -> bool {
        let same = |class: &Class| self.groups[class.group].machine == machine && class.cpu == cpu;
        self.classes.iter().any(same)
    }

    /// The place of one of them among all servers of the state.
    pub(in crate::traffic) fn slowest_place(&self, state: &State, solution: &Solution) -> u32 {
        let Some((class, _)) = self.slowest(solution) else {
            return 0;
        };
        let first = self.groups[class.group].first;
        let before = state.sites[..first].iter().map(|site| count(&site.servers));
        let kinds = state.sites[first].servers.iter();
        let here = kinds
            .take_while(|(cpu, _)| *cpu != class.cpu)
            .map(|(_, pods)| pods);
        before.chain(here).sum()
    }

    /// Seconds that a request spends in such a line if all that wait stand there.
    pub(in crate::traffic) fn convoy_lasts(&self, solution: &Solution) -> f64 {
        let pace = self.convoy_most(solution) / self.servers;
        solution.rate * solution.response / pace.max(1e-9)
    }

    /// Whether a closed form does not say what clients make: it knows of no such line.
    pub(in crate::traffic) fn convoys(&self, solution: &Solution) -> bool {
        solution.rate > 0.0 && self.convoy_most(solution) < SERVES * solution.rate
    }
}
