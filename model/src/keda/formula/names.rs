//! The names that an expression uses, in whichever branch: KEDA's compiler knows the environment's names and
//! refuses any other, reached or not.
//!
//! The crate that evaluates keeps its tree to itself, so the text is read once more. It has been parsed
//! before, so that looking at neighbouring tokens tells what a word is.

use sim::SortedSet;

/// Words of the language that are no names.
const KEYWORDS: &str = "\
let if else true false nil not and or in contains startsWith endsWith matches";

/// What can be called (expr-lang/expr 1.17 builtin).
const FUNCTIONS: &str = "\
abs all any bitand bitnand bitnot bitor bitshl bitshr bitushr bitxor ceil concat count date duration filter \
find findIndex findLast findLastIndex first flatten float floor fromBase64 fromJSON fromPairs get groupBy \
hasPrefix hasSuffix indexOf int join keys last lastIndexOf len lower map max mean median min none now one \
reduce repeat replace reverse round sort sortBy split splitAfter string sum take timezone toBase64 toJSON \
toPairs trim trimPrefix trimSuffix type uniq upper";

/// The first name, in the order of writing, that is neither one of these variables nor the language's own.
pub(super) fn unknown<'t>(text: &'t str, variables: &[&str]) -> Option<&'t str> {
    let tokens = tokens(text);
    let token = |at: Option<usize>| at.and_then(|at| tokens.get(at)).copied().unwrap_or_default();
    let mut bound: SortedSet<&str> = SortedSet::new();
    for (at, &word) in tokens.iter().enumerate() {
        let (before, after) = (token(at.checked_sub(1)), token(Some(at + 1)));
        let member = matches!(before, "." | "?.");
        let key = matches!(before, "{" | ",") && after == ":";
        if !is_name(word) || is_of(KEYWORDS, word) || member || key {
            continue;
        }
        if before == "let" {
            bound.insert(word);
            continue;
        }
        let known = match after {
            "(" => is_of(FUNCTIONS, word),
            _ => variables.contains(&word) || bound.contains(word),
        };
        if !known {
            return Some(word);
        }
    }
    None
}

fn is_of(words: &str, word: &str) -> bool {
    words.split_ascii_whitespace().any(|own| own == word)
}

/// Whether a token is a name of the formula's own: `#` and what begins with it is the element at hand, `$env` all
/// variables together.
fn is_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
}

/// Words, numbers and signs; texts and comments are left out.
fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' | '\'' | '`' => quoted(rest, first),
            _ if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            _ if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            _ => {
                let length = token(rest, first);
                // The letter before a text of bytes belongs to it.
                let bytes = matches!(&rest[..length], "b" | "B") && rest[length..].starts_with(['"', '\'']);
                if !bytes {
                    tokens.push(&rest[..length]);
                }
                length
            }
        };
        rest = rest[length..].trim_start();
    }
    tokens
}

/// The length of a text with its quotes. Only between back quotes does a backslash stand for itself.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = quote != '`',
            _ if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of a word, a number or a sign. Of a range's `1..n` the dots are one sign.
fn token(text: &str, first: char) -> usize {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let word = |text: &str| text.find(|c| !is_word(c)).unwrap_or(text.len());
    match first {
        '#' | '$' => 1 + word(&text[1..]),
        _ if is_word(first) => word(text),
        _ if text.starts_with("..") || text.starts_with("?.") => 2,
        _ => first.len_utf8(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(unknown(text, &["rps", "queue"]), expected, "{text}");
    }

    #[test]
    fn names_of_the_language_and_of_triggers_are_known() {
        check("max(rps, queue * 3) ?? 8", None);
        check("count([rps, queue], {# > 1}) > 1 ? 5 : 0", None);
        check(
            "count([rps, queue], {#index > 0 and # > 1}) == 1 ? rps : queue",
            None,
        );
        check("let x = queue; x + x", None);
        check("if rps > 1 { rps } else { queue }", None);
        check("{low: 1, 'high': rps}.high + $env.rps", None);
        check("sum(1..2, # * queue)", None);
        check("rps in [1.5e3, 0x1F] ? 1 : 2 // then what", None);
        check("rps > 0 ? float('other') : /* another */ queue", None);
        check(r#""it's" == 'say "who"' or `\` == b"no" ? rps : queue"#, None);
        check(r"'\'other' == 'x' ? rps : queue", None);
    }

    #[test]
    fn a_name_that_nothing_has_is_found_in_every_branch() {
        check("rps > 0.2 ? rsp * 2 : rps", Some("rsp"));
        check("rps ?? other", Some("other"));
        check("true || other > 1 ? 1 : 2", Some("other"));
        check("rps > 0 ? 1 : maxx(rps, queue)", Some("maxx"));
        check("let x = rps; x + y", Some("y"));
        check("{rps: other}.rps", Some("other"));
        check("rps ? queue : (other)", Some("other"));
        check("sum(1..other, #)", Some("other"));
        check("max", Some("max"));
    }
}
