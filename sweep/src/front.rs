//! The Pareto front: what no other configuration beats in everything.
//!
//! Values are such that less is better; turn around those of which more is. A NaN is worse than anything.

use std::cmp::Ordering;

/// Whether one is nowhere worse than another, and somewhere better.
#[must_use]
pub fn dominates(one: &[f64], other: &[f64]) -> bool {
    let mut better = false;
    for (a, b) in one.iter().zip(other) {
        match compare(*a, *b) {
            Ordering::Greater => return false,
            Ordering::Less => better = true,
            Ordering::Equal => {}
        }
    }
    better
}

/// Less is better, and NaN is worst.
#[must_use]
pub fn compare(a: f64, b: f64) -> Ordering {
    match (a.is_nan(), b.is_nan()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
    }
}

/// The places of what nothing dominates, in their order. Of equal ones all are on the front.
#[must_use]
pub fn front(values: &[Vec<f64>]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    // What comes before in every value's order cannot be dominated by what comes after.
    order.sort_by(|a, b| lexical(&values[*a], &values[*b]).then(a.cmp(b)));
    let mut found: Vec<usize> = Vec::new();
    for index in order {
        if !found
            .iter()
            .any(|better| dominates(&values[*better], &values[index]))
        {
            found.push(index);
        }
    }
    found.sort_unstable();
    found
}

fn lexical(a: &[f64], b: &[f64]) -> Ordering {
    a.iter()
        .zip(b)
        .map(|(a, b)| compare(*a, *b))
        .find(|order| *order != Ordering::Equal)
        .unwrap_or(Ordering::Equal)
}

/// The volume that a set dominates, up to a reference point that is worse than all that counts. Two and more
/// objectives, by slicing along the last (Zitzler and Thiele 1999).
#[must_use]
pub fn hypervolume(values: &[Vec<f64>], reference: &[f64]) -> f64 {
    let inside = |value: &&Vec<f64>| value.iter().zip(reference).all(|(a, r)| *a < *r);
    let values: Vec<Vec<f64>> = values.iter().filter(inside).cloned().collect();
    volume(&values, reference)
}

fn volume(values: &[Vec<f64>], reference: &[f64]) -> f64 {
    let last = reference.len() - 1;
    if values.is_empty() {
        return 0.0;
    }
    if last == 0 {
        let best = values.iter().map(|value| value[0]).fold(f64::INFINITY, f64::min);
        return reference[0] - best;
    }
    let mut sorted: Vec<&Vec<f64>> = values.iter().collect();
    sorted.sort_by(|a, b| compare(a[last], b[last]));
    let mut total = 0.0;
    let mut below: Vec<Vec<f64>> = Vec::new();
    for (n, value) in sorted.iter().enumerate() {
        below.push(value[..last].to_vec());
        let top = sorted.get(n + 1).map_or(reference[last], |next| next[last]);
        let height = top - value[last];
        if height > 0.0 {
            let kept: Vec<Vec<f64>> = front(&below)
                .into_iter()
                .map(|index| below[index].clone())
                .collect();
            total += height * volume(&kept, &reference[..last]);
        }
    }
    total
}

/// How lonely each value is among its neighbours of a front: the sum over objectives of the distance between the
/// two beside it, in parts of the whole range; infinite at the ends. (Deb et al. 2002)
#[must_use]
pub fn crowding(values: &[&[f64]]) -> Vec<f64> {
    let mut distance = vec![0.0; values.len()];
    let Some(width) = values.first().map(|value| value.len()) else {
        return distance;
    };
    for objective in 0..width {
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|a, b| compare(values[*a][objective], values[*b][objective]).then(a.cmp(b)));
        let at = |n: usize| values[order[n]][objective];
        let last = order.len() - 1;
        let range = at(last) - at(0);
        distance[order[0]] = f64::INFINITY;
        distance[order[last]] = f64::INFINITY;
        if range > 0.0 && range.is_finite() {
            for n in 1..last {
                distance[order[n]] += (at(n + 1) - at(n - 1)) / range;
            }
        }
    }
    distance
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_front_is_what_nothing_beats() {
        let values = [
            [1.0, 5.0],
            [2.0, 2.0],
            [3.0, 3.0],
            [5.0, 1.0],
            [2.0, 2.0],
            [0.5, f64::NAN],
        ];
        let values: Vec<Vec<f64>> = values.iter().map(|value| value.to_vec()).collect();
        assert_eq!(front(&values), [0, 1, 3, 4, 5]);
        assert!(dominates(&[1.0, 1.0], &[1.0, f64::NAN]));
        assert!(!dominates(&[1.0, 1.0], &[1.0, 1.0]));
    }

    #[test]
    fn volumes_are_those_of_the_boxes() {
        let check = |values: &[&[f64]], reference: &[f64], expected: f64| {
            let values: Vec<Vec<f64>> = values.iter().map(|value| value.to_vec()).collect();
            let got = hypervolume(&values, reference);
            assert!((got - expected).abs() < 1e-12, "{got} is not {expected}");
        };
        check(&[&[1.0, 2.0], &[2.0, 1.0]], &[3.0, 3.0], 3.0);
        check(&[&[1.0, 2.0], &[2.0, 1.0], &[2.5, 2.5]], &[3.0, 3.0], 3.0);
        check(&[&[4.0, 0.0]], &[3.0, 3.0], 0.0);
        check(&[&[0.0, 0.0, 0.0]], &[1.0, 2.0, 3.0], 6.0);
        check(
            &[&[0.0, 1.0, 1.0], &[1.0, 0.0, 1.0], &[1.0, 1.0, 0.0]],
            &[2.0, 2.0, 2.0],
            4.0,
        );
    }

    #[test]
    fn the_ends_of_a_front_are_never_crowded() {
        let values: [&[f64]; 4] = [&[0.0, 3.0], &[1.0, 2.0], &[1.1, 1.9], &[3.0, 0.0]];
        let distance = crowding(&values);
        assert!(distance[0].is_infinite() && distance[3].is_infinite());
        assert!(distance[1] < distance[2]);
    }
}
