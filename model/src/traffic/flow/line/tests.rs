use super::*;

const ALL: Order = Order::Together(f64::INFINITY);

/// Runs a line at a load (requests a second) of which it can do `most`; for each second what was answered, how
/// old that was on average, and what was worked.
fn run(line: &mut Line, most: f64, patience: f64, loads: &[f64]) -> Vec<(f64, f64, f64)> {
    let mut seconds = Vec::new();
    for (second, &load) in loads.iter().enumerate() {
        let (mut answered, mut ages, mut worked) = (0.0, 0.0, 0.0);
        for half in 0..2 {
            let from = second as f64 + f64::from(half) * 0.5;
            let to = from + 0.5;
            let step = Step {
                from,
                to,
                most: most * 0.5,
                response: 0.1,
                usual: load.min(most) * 0.1,
            };
            let came = Came {
                requests: load * 0.5,
                sent: (from, to),
            };
            let mut done = Vec::new();
            let before = line.held();
            let work = line.step(came, &step, &mut done);
            assert!(work <= step.most + 1e-9, "{work} of {}", step.most);
            worked += work;
            for some in &done {
                answered += some.requests;
                ages += some.requests * some.age();
            }
            line.give_up(to, &patience.into(), |_, _| ());
            assert!(line.alive() <= line.held() + 1e-9);
            assert!(line.held() <= before + came.requests + 1e-9);
        }
        seconds.push((answered, ages / answered, worked));
    }
    seconds
}

fn loads(parts: &[(usize, f64)]) -> Vec<f64> {
    parts
        .iter()
        .flat_map(|&(seconds, load)| vec![load; seconds])
        .collect()
}

#[test]
fn what_comes_within_reach_is_answered_as_usual() {
    for order in [ALL, Order::Together(30.0), Order::InTurn] {
        let mut line = Line::new(order, &[0.5, 1.5]);
        let seconds = run(&mut line, 10.0, f64::INFINITY, &loads(&[(10, 8.0)]));
        let (answered, age, worked) = seconds[9];
        assert!((answered - 8.0).abs() < 1e-9 && (worked - 8.0).abs() < 1e-9);
        assert!((age - 0.1).abs() < 1e-9 && !line.waits());
        assert!((line.held() - 0.8).abs() < 1e-9);
    }
}

#[test]
fn a_short_line_shrinks_by_what_is_done() {
    let mut line = Line::new(ALL, &[0.6, 0.9, 1.0, 1.1, 1.4]);
    let seconds = run(&mut line, 15.4, f64::INFINITY, &loads(&[(1, 25.0), (9, 12.0)]));
    // 9.6 are left after the first second, less by 3.4 in each; 1.2 are there where nobody waits.
    assert!(line.work() <= 1.2 + 1e-9 && !line.waits(), "{} left", line.work());
    let worked: f64 = seconds.iter().map(|(_, _, worked)| worked).sum();
    let came = 25.0 + 9.0 * 12.0;
    assert!((worked + line.work() - came).abs() < 2.0, "{worked} of {came}");
}

/// Whoever is done takes no share any more while the others of his batch end.
#[test]
fn a_line_for_which_hardly_anything_is_left_is_worked_off() {
    for seconds in [20, 60] {
        let mut line = Line::new(ALL, &[1.0]);
        let loads = loads(&[(3, 400.0), (seconds, 200.0)]);
        let found = run(&mut line, 214.0, f64::INFINITY, &loads);
        let worked: f64 = found.iter().map(|(_, _, worked)| worked).sum();
        let came: f64 = loads.iter().sum();
        let apart = worked + line.work() - came;
        assert!(apart.abs() < 0.005 * came, "{apart} of {came} after {seconds} s");
        // 558 are left after three seconds, less by 14 in each.
        assert_eq!(
            line.waits(),
            seconds < 40,
            "{} left after {seconds} s",
            line.work()
        );
    }
}

#[test]
fn in_turn_the_oldest_are_answered() {
    let mut line = Line::new(Order::InTurn, &[1.0]);
    let seconds = run(
        &mut line,
        10.0,
        f64::INFINITY,
        &loads(&[(20, 20.0), (20, 0.0), (5, 1.0)]),
    );
    assert!(
        seconds[5..39]
            .iter()
            .all(|&(answered, ..)| (answered - 10.0).abs() < 1e-6)
    );
    // Of 400 requests in 20 s the last waits until all are answered.
    assert!((seconds[19].1 - 10.0).abs() < 0.5, "{:?}", seconds[19]);
    assert!((seconds[38].1 - 19.5).abs() < 0.7, "{:?}", seconds[38]);
    assert!(!line.waits() && line.held() < 0.2);
}

#[test]
fn in_turn_nobody_is_answered_while_the_abandoned_are_worked_on() {
    let mut line = Line::new(Order::InTurn, &[1.0]);
    let seconds = run(&mut line, 10.0, 5.0, &loads(&[(60, 20.0), (130, 5.0)]));
    let in_vain = |&(answered, _, worked): &(f64, f64, f64)| answered < 0.5 && worked > 9.99;
    assert!(seconds[30..165].iter().all(in_vain), "{seconds:?}");
    // 600 too many, worked off 5 a second faster than others come; who comes when 50 are left waits for 5 s.
    assert!(seconds[177].0 > 9.0, "{:?}", seconds[177]);
}

/// With λ twice what can be done, 40.6 % of that is answered: `x = 2 (1 - e^-x)`, `2 e^-x`.
#[test]
fn together_half_the_work_is_for_requests_that_are_not_done_yet() {
    let mut line = Line::new(ALL, &[1.0]);
    let seconds = run(&mut line, 10.0, f64::INFINITY, &loads(&[(400, 20.0)]));
    let late = &seconds[300..];
    let answered = late.iter().map(|&(answered, ..)| answered).sum::<f64>() / 100.0;
    assert!((answered - 4.06).abs() < 0.1, "{answered}");
    let age = late.iter().map(|&(_, age, _)| age).sum::<f64>() / 100.0;
    // Whoever is done at 350 s came at 350 s / e^1.594.
    assert!(
        (age / (350.0 * (1.0 - (-1.594_f64).exp())) - 1.0).abs() < 0.03,
        "{age}"
    );
    assert!(late.iter().all(|&(.., worked)| (worked - 10.0).abs() < 1e-6));
}

/// Where all of one size are late, the small ones of many sizes are done in time for a while.
#[test]
fn together_small_requests_get_through() {
    let sizes = [0.2, 0.4, 0.7, 1.1, 2.6];
    let served = |sizes: &[f64]| {
        let mut line = Line::new(ALL, sizes);
        let seconds = run(&mut line, 10.0, 5.0, &loads(&[(15, 20.0)]));
        seconds[10..].iter().map(|&(answered, ..)| answered).sum::<f64>() / 5.0
    };
    assert!(served(&[1.0]) < 0.5, "{}", served(&[1.0]));
    assert!(served(&sizes) > 2.0, "{}", served(&sizes));
}

#[test]
fn few_batches_stand_for_many_requests() {
    for order in [ALL, Order::Together(30.0), Order::InTurn] {
        let mut line = Line::new(order, &[1.0]);
        run(&mut line, 10.0, 5.0, &loads(&[(4000, 20.0)]));
        let batches = line.batches().count();
        assert!(batches < 200, "{order:?}: {batches}");
    }
}
