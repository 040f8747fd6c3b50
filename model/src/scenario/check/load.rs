//! Who sends requests, when, and what one costs.

use std::time::Duration;

use super::{Facts, advise};
use crate::document::{Context, Cursor, Severity};
use crate::traffic::{Arrivals, Clients, Service, Shape};

pub(super) fn check(facts: &Facts<'_>) {
    let context = Context::new(facts.root.file(), String::new(), facts.problems);
    let traffic = &facts.scenario.traffic;
    let streams = facts.root.at("load.arrivals");
    let sends = |shape: &Shape| shape.most() > 0.0;
    let written = traffic.arrivals.iter().map(|arrivals| &arrivals.shape);
    // What could not be read is an error, and no silence.
    let silent = written.clone().count() == streams.items().len() && !written.clone().any(sends);
    if traffic.clients.is_none() && silent {
        let hint = "add clients as [load.clients] deployment = \"NAMESPACE/NAME\", or arrivals as [[load.arrivals]] \
                    shape = \"constant\", rate = 20";
        let load = facts.root.get("load");
        advise(&context, "S001", &load, "nobody sends requests", hint);
    }
    fitted(facts, &context);
    work(facts, &context);
    if written.clone().count() == streams.items().len() {
        for (shape, at) in written.zip(streams.items()) {
            changes(facts.scenario.duration, shape, &context, &at);
        }
        for (arrivals, at) in traffic.arrivals.iter().zip(streams.items()) {
            unheard(arrivals, &context, &at);
        }
    }
}

/// Changes of a load that never come, or that are others than they seem to be.
fn changes(duration: Duration, shape: &Shape, context: &Context<'_>, at: &Cursor<'_>) {
    let minutes = |time: Duration| (time.as_secs_f64() / 6.0).round() / 10.0;
    match shape {
        Shape::Step { at: when, .. } | Shape::Spike { at: when, .. } if *when >= duration => {
            let message = "this is after the end of the run: it never happens";
            advise(context, "W004", &at.get("at"), message, "");
        }
        Shape::Ramp { start, .. } if *start >= duration => {
            let message = "this is after the end of the run: it never happens";
            advise(context, "W004", &at.get("start"), message, "");
        }
        Shape::Spike { duration: length, .. } if length.is_zero() => {
            let message = "a spike of no length brings no requests";
            advise(context, "S007", &at.get("duration"), message, "");
        }
        Shape::Sine { mean, amplitude, .. } if amplitude > mean => {
            let (share, mean_at_zero) = (mean / amplitude, libm::acos(-mean / amplitude));
            let pi = std::f64::consts::PI;
            let real = (mean * mean_at_zero + amplitude * libm::sqrt(1.0 - share * share)) / pi;
            let message = format!(
                "the wave would go below zero, where it is cut: the mean is {:.0} requests a second, not {mean}",
                real
            );
            let hint = "an amplitude up to the mean keeps it";
            advise(context, "S007", &at.get("amplitude"), message, hint);
        }
        Shape::Trace { points } => {
            let Some(&(last, rate)) = points.last().filter(|(last, _)| *last < duration) else {
                return;
            };
            // Somebody's samples end an interval before the run does.
            let before = points
                .iter()
                .rev()
                .nth(1)
                .map_or(Duration::ZERO, |(time, _)| *time);
            if duration - last > last - before {
                let message = format!(
                    "the trace ends after {} of {} minutes: its last value, {rate} requests a second, holds from there on",
                    minutes(last),
                    minutes(duration)
                );
                let hint = "end the run with it, or give it a last line of 0";
                advise(context, "S007", &at.get("trace"), message, hint);
            }
        }
        _ => {}
    }
}

/// Senders who have left before the network alone could bring their answers.
fn unheard(arrivals: &Arrivals, context: &Context<'_>, at: &Cursor<'_>) {
    let Some(timeout) = arrivals.timeout.map(|timeout| timeout.as_secs_f64()) else {
        return;
    };
    let late = arrivals.network_delay.share_beyond(timeout);
    if late >= MANY_LATE {
        let message = format!(
            "{:.0} % of the senders leave after {:.0} ms while the network alone takes longer: what they send counts as failed",
            late * 100.0,
            timeout * 1e3
        );
        let hint = "network_delay is seconds there and back, beside what the service takes";
        advise(context, "S007", &at.get("timeout"), message, hint);
    }
}

/// Fewer than this share of senders who leave too soon may be meant.
const MANY_LATE: f64 = 0.1;

/// What a request costs, if it is not what anybody means.
fn work(facts: &Facts<'_>, context: &Context<'_>) {
    let (traffic, at) = (&facts.scenario.traffic, facts.root.at("service.cpu_per_request"));
    let work = traffic.service.cpu_per_request.mean();
    let fastest = traffic.cpu.speeds.values().copied().fold(2.0, f64::max);
    let (most, what) = match traffic.service.request_timeout {
        Some(timeout) if timeout < facts.scenario.duration => (timeout, "service.timeout"),
        _ => (facts.scenario.duration, "the run"),
    };
    let (message, hint) = if work > most.as_secs_f64() * fastest {
        let message = format!(
            "a request takes {work} core-seconds, and {what} is over after {} s: none is ever answered",
            most.as_secs_f64()
        );
        (message, "it is in seconds: 20 ms are 0.02")
    } else if work <= 0.0 && traffic.service.gpu.is_none() && at.is_given() {
        let message = "a request costs nothing: pods are never busy, and one serves any load".to_owned();
        (message, "it decides how many pods a load needs")
    } else {
        return;
    };
    if !context.has_error(&at) {
        context.report(Severity::Warning, "W003", &at, message, hint);
    }
}

/// What a request costs is a fact about a service. Left out, it is that of the service that was measured.
fn fitted(facts: &Facts<'_>, context: &Context<'_>) {
    let work = facts.root.at("service.cpu_per_request");
    if !work.is_given() {
        let message = format!(
            "a request takes {} core-seconds of the service's CPU, because nothing says how many: php-apache's",
            Service::default().cpu_per_request.mean()
        );
        let hint = "it decides how many pods a load needs: measure it (`scaletwin calibrate` reads it off a recording)";
        advise(context, "S004", &work, message, hint);
    }
    let clients = facts.root.at("load.clients");
    let of_cycle = ["think_time", "cycle_delay", "cpu_per_request"];
    let left_out: Vec<&str> = of_cycle
        .into_iter()
        .filter(|field| !clients.get(field).is_given())
        .collect();
    if clients.is_given() && !left_out.is_empty() {
        let message = format!(
            "clients ask as fast as the walkthrough's loop of wget in {}",
            left_out.join(", ")
        );
        let own = Clients::default();
        let [think_time, cycle_delay] = [&own.think_time, &own.cycle_delay].map(|time| time.mean() * 1e3);
        let hint = format!(
            "with the service's answers these make the load: {think_time} ms, {cycle_delay} ms and {} core-seconds a request",
            own.client_cpu
        );
        advise(context, "S004", &clients, message, &hint);
    }
}
