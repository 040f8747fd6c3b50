//! Regular expressions as RE2 reads them, for a crate that reads them a little differently.
//!
//! Go's engine knows `\Q…\E`, takes a brace that begins no repetition literally, has no nested classes and no
//! set operations in classes, and means ASCII by `\d`, `\w`, `\s` and `\b`.

use regex::Regex;

/// Compiles an expression that must match a whole text. With `dot_all`, `.` matches a newline too.
pub(super) fn anchored(pattern: &str, dot_all: bool) -> Option<Regex> {
    // It stands for bytes that are not UTF-8, which Go's engine refuses.
    if pattern.contains(char::REPLACEMENT_CHARACTER) {
        return None;
    }
    let flags = if dot_all { "s" } else { "" };
    Regex::new(&format!("^(?{flags}:{})$", translate(pattern))).ok()
}

fn translate(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        rest = match c {
            '\\' => escape(after, &mut out, false),
            '[' => class(after, &mut out),
            '{' if !is_repetition(after) => {
                out.push_str("\\{");
                after
            }
            _ => {
                out.push(c);
                after
            }
        };
    }
    out
}

/// What follows a backslash. Returns the rest.
fn escape<'a>(text: &'a str, out: &mut String, in_class: bool) -> &'a str {
    let Some(c) = text.chars().next() else {
        out.push('\\');
        return text;
    };
    let after = &text[c.len_utf8()..];
    let ascii = match c {
        'd' => "[0-9]",
        'D' => "[^0-9]",
        'w' => "[0-9A-Za-z_]",
        'W' => "[^0-9A-Za-z_]",
        's' => "[\\t\\n\\x0c\\r ]",
        'S' => "[^\\t\\n\\x0c\\r ]",
        'b' if !in_class => "(?-u:\\b)",
        'Q' => {
            let end = after.find("\\E").unwrap_or(after.len());
            out.push_str(&regex::escape(&after[..end]));
            return after[end..].strip_prefix("\\E").unwrap_or("");
        }
        _ => {
            out.push('\\');
            out.push(c);
            return after;
        }
    };
    out.push_str(ascii);
    after
}

/// A class, after its opening bracket. Returns the rest.
fn class<'a>(text: &'a str, out: &mut String) -> &'a str {
    out.push('[');
    let mut rest = text;
    if let Some(after) = rest.strip_prefix('^') {
        out.push('^');
        rest = after;
    }
    if let Some(after) = rest.strip_prefix(']') {
        out.push_str("\\]");
        rest = after;
    }
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        rest = match c {
            ']' => {
                out.push(']');
                return after;
            }
            '\\' => escape(after, out, true),
            '[' if after.starts_with(':') && after.contains(":]") => {
                let end = after.find(":]").map_or(after.len(), |end| end + 2);
                out.push('[');
                out.push_str(&after[..end]);
                &after[end..]
            }
            '[' | '&' | '~' => {
                out.push('\\');
                out.push(c);
                after
            }
            _ => {
                out.push(c);
                after
            }
        };
    }
    rest
}

/// Whether a brace begins `{n}`, `{n,}` or `{n,m}`.
fn is_repetition(after: &str) -> bool {
    let Some((inside, _)) = after.split_once('}') else {
        return false;
    };
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match inside.split_once(',') {
        Some((least, most)) => number(least) && (most.is_empty() || number(most)),
        None => number(inside),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, text: &str, matches: bool) {
        let regex = anchored(pattern, false).unwrap_or_else(|| panic!("{pattern} compiles"));
        assert_eq!(regex.is_match(text), matches, "{pattern} on {text:?}");
    }

    #[test]
    fn expressions_mean_what_they_mean_to_re2() {
        check("a{b}c", "a{b}c", true);
        check("a{2}", "aa", true);
        check("a{,2}", "a{,2}", true);
        check("[[]", "[", true);
        check("[a&&b]", "&", true);
        check("[]a]+", "]a", true);
        check("[[:alpha:]_]+", "a_", true);
        check(r"\d+", "٣", false);
        check(r"[\d]+", "12", true);
        check(r"\Qa.b\E", "a.b", true);
        check(r"\Qa.b\E", "axb", false);
        check(r"web-\d+|api", "web-12", true);
        check(r"web-\d+|api", "web-12x", false);
        check("a.b", "a\nb", false);
        assert!(anchored("a.b", true).is_some_and(|regex| regex.is_match("a\nb")));
        assert!(anchored("(", false).is_none());
        assert!(
            anchored("\u{fffd}.*", false).is_none(),
            "bytes that were not UTF-8"
        );
    }
}
