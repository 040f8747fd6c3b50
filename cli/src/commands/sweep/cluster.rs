//! `scaletwin sweep --on-cluster`: the sweep as an Indexed Job.

use serde_json::Value;
use sweep::job::{Order, Results, Wrong, manifests};

use super::load::Sweep;
use crate::args::{ClusterArgs, Format};
use crate::commands::Answer;
use crate::failure::Failure;
use crate::files::read_text;
use crate::output::{print, print_json};

/// Prints the manifests, or applies them and waits.
pub(super) fn on_cluster(sweep: &Sweep, args: &ClusterArgs, format: Format) -> Result<Answer, Failure> {
    let order = order(sweep, args)?;
    let text = read_text(&sweep.file)?;
    let made = manifests(&order, &text, &sweep.plan.scenario, sweep.base.files())
        .map_err(|wrong| refused(&wrong))?;
    if args.dry_run {
        match format {
            Format::Text => print(&documents(&made))?,
            Format::Json => made
                .iter()
                .try_for_each(|value| print_json("manifest", value.clone()))?,
        }
        return Ok(Answer::Done);
    }
    submit(sweep, &order, &made)
}

fn order(sweep: &Sweep, args: &ClusterArgs) -> Result<Order, Failure> {
    if matches!(sweep.plan.design, sweep::Design::Optimize { .. }) {
        return Err(Failure::new(sweep::Halt::Indivisible.to_string())
            .hint("split a grid or a sample, or run the optimizer on one machine"));
    }
    let results = match (&args.claim, &args.store) {
        (Some(claim), None) => Results::Claim(claim.clone()),
        (None, Some(url)) => Results::Store(url.clone()),
        _ => {
            return Err(Failure::new("the pods have nowhere to put their results")
                .hint("name a PersistentVolumeClaim with --claim, or an object store with --store s3://BUCKET/PREFIX"));
        }
    };
    let (asked, parts) = (args.shards as usize, sweep.plan.parts());
    if asked > parts {
        crate::talk::say(&format!("{asked} shards asked for: {}", sweep.cut(parts)));
    }
    let shards = asked.min(parts);
    Ok(Order {
        name: sweep.plan.name.clone(),
        namespace: args.namespace.clone().unwrap_or_default(),
        image: args.image.clone(),
        shards,
        parallelism: args.parallelism.map_or(shards, |pods| pods as usize),
        cpus: args.cpus as usize,
        results,
        service_account: args.service_account.clone(),
        fingerprint: sweep.fingerprint(),
    })
}

fn refused(wrong: &Wrong) -> Failure {
    let hint = match wrong {
        Wrong::TooLarge { .. } => "build the scenario into an image of your own, and run its shards there",
        Wrong::Absolute { .. } => "name the scenario relative to the sweep's file",
    };
    Failure::new(wrong.to_string()).hint(hint)
}

/// JSON is YAML: one document after the other, for `kubectl apply -f -`.
fn documents(made: &[Value]) -> String {
    let document = |value: &Value| {
        format!(
            "---\n{}\n",
            serde_json::to_string_pretty(value).expect("a value can be written")
        )
    };
    made.iter().map(document).collect()
}

/// How the results come together, once all shards are complete.
#[cfg(feature = "cluster")]
fn afterwards(sweep: &Sweep, order: &Order) -> String {
    let file = sweep.file.display();
    match &order.results {
        Results::Claim(claim) => {
            format!("copy shard-* from the claim {claim}, then: scaletwin sweep merge {file} shard-*")
        }
        Results::Store(url) => format!("scaletwin sweep merge {file} {url}"),
    }
}

#[cfg(not(feature = "cluster"))]
fn submit(_: &Sweep, _: &Order, _: &[Value; 2]) -> Result<Answer, Failure> {
    Err(Failure::new("this build talks to no cluster")
        .hint("build with `--features cluster`, or pipe `--dry-run` into `kubectl apply -f -`"))
}

#[cfg(feature = "cluster")]
fn submit(sweep: &Sweep, order: &Order, made: &[Value; 2]) -> Result<Answer, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("cannot start: {error}")))?;
    let succeeded = runtime.block_on(kubernetes::run(order, made))?;
    match succeeded {
        true => {
            crate::talk::say(&afterwards(sweep, order));
            Ok(Answer::Done)
        }
        false => Ok(Answer::No),
    }
}

#[cfg(feature = "cluster")]
mod kubernetes {
    use std::time::Duration;

    use k8s_openapi::api::batch::v1::{Job, JobStatus};
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::api::{Patch, PatchParams};
    use kube::{Api, Client};
    use serde_json::Value;
    use sweep::job::{Order, object_name};

    use crate::failure::Failure;
    use crate::talk;

    /// Between two looks at the Job.
    const PERIOD: Duration = Duration::from_secs(3);

    fn failed(what: &str, error: &kube::Error) -> Failure {
        Failure::new(format!("cannot {what}: {error}"))
            .hint("`kubectl auth can-i create jobs` says whether you may; --namespace chooses where")
    }

    /// Applies both and waits for the Job's end; whether all its indexes succeeded.
    pub(super) async fn run(order: &Order, made: &[Value; 2]) -> Result<bool, Failure> {
        let client = Client::try_default()
            .await
            .map_err(|error| failed("reach a cluster", &error))?;
        let namespace = match order.namespace.as_str() {
            "" => client.default_namespace().to_owned(),
            own => own.to_owned(),
        };
        let name = object_name(order);
        let how = PatchParams::apply("scaletwin").force();
        let configs: Api<ConfigMap> = Api::namespaced(client.clone(), &namespace);
        configs
            .patch(&name, &how, &Patch::Apply(&made[0]))
            .await
            .map_err(|error| failed("apply the ConfigMap", &error))?;
        let jobs: Api<Job> = Api::namespaced(client, &namespace);
        jobs.patch(&name, &how, &Patch::Apply(&made[1]))
            .await
            .map_err(|error| failed("apply the Job", &error))?;
        talk::say(&format!(
            "job {namespace}/{name}: {} shards; it goes on if you leave",
            order.shards
        ));
        let bar = talk::progress(order.shards);
        loop {
            let job = jobs
                .get(&name)
                .await
                .map_err(|error| failed("read the Job", &error))?;
            let status = job.status.unwrap_or_default();
            bar.set_position(status.succeeded.unwrap_or(0).unsigned_abs().into());
            if let Some(end) = ended(&status) {
                bar.finish_and_clear();
                if !end {
                    talk::say(&format!(
                        "some shards failed: kubectl logs --namespace {namespace} job/{name}"
                    ));
                }
                return Ok(end);
            }
            tokio::time::sleep(PERIOD).await;
        }
    }

    /// Whether the Job succeeded or failed, if it has ended.
    fn ended(status: &JobStatus) -> Option<bool> {
        let is = |kind: &str| {
            let conditions = status.conditions.as_deref().unwrap_or_default();
            conditions
                .iter()
                .any(|own| own.type_ == kind && own.status == "True")
        };
        match (is("Complete"), is("Failed")) {
            (true, _) => Some(true),
            (_, true) => Some(false),
            _ => None,
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_job_ends_by_its_conditions() {
            let with = |kind: &str| JobStatus {
                conditions: Some(vec![k8s_openapi::api::batch::v1::JobCondition {
                    type_: kind.to_owned(),
                    status: "True".to_owned(),
                    ..Default::default()
                }]),
                ..JobStatus::default()
            };
            assert_eq!(ended(&JobStatus::default()), None);
            assert_eq!(ended(&with("Suspended")), None);
            assert_eq!(ended(&with("Complete")), Some(true));
            assert_eq!(ended(&with("Failed")), Some(false));
        }
    }
}
