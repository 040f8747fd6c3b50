//! "Did you mean".

/// The candidate nearest to a misspelt name, if one is near: at most a third of its letters differ, counting
/// letters inserted, dropped, replaced and swapped with a neighbour, and letter case as nothing.
///
/// ```
/// use model::document::closest;
///
/// assert_eq!(closest("minReplicasCount", ["minReplicaCount", "maxReplicaCount"]), Some("minReplicaCount"));
/// assert_eq!(closest("colour", ["image", "ports"]), None);
/// ```
pub fn closest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const LONGEST: usize = 64;
    let name: Vec<char> = name.chars().flat_map(char::to_lowercase).take(LONGEST).collect();
    let distance = |candidate: &str| {
        let letters: Vec<char> = candidate
            .chars()
            .flat_map(char::to_lowercase)
            .take(LONGEST)
            .collect();
        let limit = name.len().max(letters.len()) / 3;
        Some(edits(&name, &letters)).filter(|edits| *edits <= limit)
    };
    candidates
        .into_iter()
        .filter_map(|candidate| Some((distance(candidate)?, candidate)))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Optimal string alignment distance.
fn edits(a: &[char], b: &[char]) -> usize {
    let mut rows: [Vec<usize>; 3] = [Vec::new(), Vec::new(), (0..=b.len()).collect()];
    for i in 1..=a.len() {
        rows.rotate_left(1);
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = rows[1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(rows[1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[0][j - 2] + 1);
            }
            row.push(best);
        }
        rows[2] = row;
    }
    rows[2][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        let check = |a: &str, b: &str, expected| {
            let letters = |text: &str| text.chars().collect::<Vec<char>>();
            assert_eq!(edits(&letters(a), &letters(b)), expected, "{a} {b}");
        };
        check("", "", 0);
        check("abc", "", 3);
        check("", "ab", 2);
        check("kitten", "sitting", 3);
        check("recieve", "receive", 1);
    }
}
