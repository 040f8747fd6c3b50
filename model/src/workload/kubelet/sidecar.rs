//! When the sidecars of a pod that is deleted end.

use std::time::Duration;

use super::LEAST_GRACE;
use crate::api::Container;

/// From SIGTERM to a sidecar's end: as an application that the scenario does not name.
const EXIT: Duration = Duration::from_millis(100);

/// When the last container has ended, from the deletion on, if the regular ones have at `exit`. A sidecar's preStop
/// runs at once, beside the application's; then it waits for all regular containers and for the sidecars after it, as
/// long as the grace period lasts (kubernetes 1.35 pkg/kubelet/kuberuntime/kuberuntime_container.go `killContainer`,
/// pkg/kubelet/kuberuntime/kuberuntime_termination_order.go `waitForTurn`).
pub(super) fn last_end(init_containers: &[Container], exit: Duration, grace: Duration) -> Duration {
    let sidecars = init_containers.iter().rev().filter(|init| init.restartable);
    sidecars.fold(exit, |turn, sidecar| {
        let signal = turn.clamp(sidecar.pre_stop_sleep.min(grace), grace);
        turn.max(signal + EXIT.min((grace - signal).max(LEAST_GRACE)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sidecars_end_after_the_application_the_first_one_last() {
        let check = |sidecars: &[u64], exit: u64, expected: u64| {
            let sidecar = |sleep: &u64| Container {
                restartable: true,
                pre_stop_sleep: Duration::from_secs(*sleep),
                ..Container::default()
            };
            let init: Vec<Container> = sidecars.iter().map(sidecar).collect();
            let end = last_end(&init, Duration::from_secs(exit), Duration::from_secs(30));
            assert_eq!(end.as_millis(), u128::from(expected), "{sidecars:?}");
        };
        check(&[], 5, 5_000);
        check(&[0], 5, 5_100);
        check(&[0, 0], 5, 5_200);
        // The hook began with the application's end, not after it.
        check(&[20], 5, 20_100);
        check(&[0, 20], 5, 20_200);
        // The grace period is for all together.
        check(&[40], 5, 30_100);
        check(&[0], 30, 30_100);
    }
}
