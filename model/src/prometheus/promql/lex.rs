//! A first look at a query's text, before the parser's.
//!
//! The parser reads the language of current releases. What an older release would have refused is found
//! here, on the tokens; and text literals are taken out and unquoted by Go's rules, so that the parser sees
//! only placeholders: it would compile regular expressions by rules that are not RE2's.

use super::value::{ParseError, Unsupported};
use crate::prometheus::version::Profile;

/// A query that the parser can read.
#[derive(Debug)]
pub(super) struct Source {
    /// The query with placeholders for text literals and without comments.
    pub(super) text: String,
    literals: Vec<String>,
    /// What the release takes and the parser would not: something simple stands in its place.
    pub(super) unsupported: Vec<Unsupported>,
}

/// The first character of a placeholder: none of an identifier's.
const MARK: char = '§';

impl Source {
    /// The text for which a word of the parser's stands: a literal, if it is a placeholder.
    pub(super) fn resolve<'a>(&'a self, word: &'a str) -> &'a str {
        let index = word
            .strip_prefix(MARK)
            .and_then(|index| index.parse::<usize>().ok());
        index.map_or(word, |index| &self.literals[index])
    }

    /// Names what cannot be read, the end of a query from `read` on, and writes a second in place of a duration.
    fn replace(&mut self, query: &str, read: usize, inner: Option<Bracket>) {
        let unread = &query[read..];
        if is_one_of(unread, &EXTENDED) {
            self.unsupported
                .push(Unsupported(format!("the modifier {unread}")));
            return;
        }
        let mut duration = unread;
        if inner == Some(Bracket::Range) {
            let inside = |text: &str| text.rfind(['[', ':']).map_or(0, |at| at + 1);
            self.text.truncate(inside(&self.text));
            duration = &query[inside(&query[..read])..];
        }
        self.text.push_str("1s");
        self.unsupported
            .push(Unsupported(format!("the computed duration {duration:?}")));
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    /// An identifier, keyword or metric name.
    Word(&'a str),
    /// `5m`
    Duration(&'a str),
    /// `90`
    Number,
    /// A text literal with its quotes.
    Text(&'a str),
    /// Anything else, character by character.
    Sign(char),
}

/// What opened the innermost bracket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bracket {
    /// `[`
    Range,
    /// `{`
    Matchers,
    /// `(` of a label list: `by (`
    LabelList,
    /// Any other `(`
    Group,
}

const LABEL_LISTS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];

/// Reads the tokens, refuses what the release does not know, and takes out text literals.
pub(super) fn read(query: &str, profile: &Profile) -> Result<Source, ParseError> {
    let mut source = Source {
        text: String::with_capacity(query.len()),
        literals: Vec::new(),
        unsupported: Vec::new(),
    };
    let mut brackets: Vec<Bracket> = Vec::new();
    let mut before = Token::Sign(' ');
    let mut after_offset = false;
    let mut rest = query;
    while let Some(first) = rest.chars().next() {
        if first.is_ascii_whitespace() {
            source.text.push(' ');
            rest = &rest[1..];
            continue;
        }
        if first == '#' {
            rest = &rest[rest.find('\n').unwrap_or(rest.len())..];
            continue;
        }
        let inner = brackets.last().copied();
        let (token, length) = next(rest, inner)?;
        let in_time = inner == Some(Bracket::Range) || after_offset;
        if let Some(length) = beyond(rest, token, before, inner, after_offset, profile) {
            let read = query.len() - rest.len();
            source.replace(&query[..read + length], read, inner);
            (before, after_offset) = (Token::Sign(']'), false);
            rest = &rest[length..];
            continue;
        }
        refuse(token, before, inner, in_time, profile)?;
        after_offset = match token {
            Token::Word(word) => word.eq_ignore_ascii_case("offset"),
            Token::Sign('-' | '+') => after_offset,
            _ => false,
        };
        match token {
            Token::Text(literal) => {
                source
                    .text
                    .push_str(&format!("\"{MARK}{}\"", source.literals.len()));
                source.literals.push(unquote(literal)?);
            }
            Token::Word(word @ ("holt_winters" | SMOOTHING)) if !profile.v3 && is_call(&rest[length..]) => {
                if word == SMOOTHING {
                    return Err(ParseError(format!("unknown function with name {word:?}")));
                }
                source.text.push_str(SMOOTHING);
            }
            _ => source.text.push_str(&rest[..length]),
        }
        match token {
            Token::Sign('[') => brackets.push(Bracket::Range),
            Token::Sign('{') => brackets.push(Bracket::Matchers),
            Token::Sign('(') => brackets.push(match before {
                Token::Word(word) if is_one_of(word, &LABEL_LISTS) => Bracket::LabelList,
                _ => Bracket::Group,
            }),
            Token::Sign(']' | '}' | ')') => {
                brackets.pop();
            }
            _ => {}
        }
        before = token;
        rest = &rest[length..];
    }
    Ok(source)
}

/// The length of what the release takes and the parser does not, if a token begins it: a computed duration, up to the
/// end of its range or parenthesis, or a modifier.
fn beyond(
    rest: &str,
    token: Token<'_>,
    before: Token<'_>,
    inner: Option<Bracket>,
    after_offset: bool,
    profile: &Profile,
) -> Option<usize> {
    let after_expression = match before {
        Token::Word(word) => !is_one_of(word, &["and", "or", "unless", "bool"]),
        Token::Sign(sign) => "]})".contains(sign),
        _ => false,
    };
    let computes = match token {
        Token::Word(_) => true,
        Token::Sign(sign) if after_offset => sign == '(',
        Token::Sign(sign) => "+-*/%^(".contains(sign),
        _ => false,
    };
    match (token, inner) {
        (Token::Word(word), None | Some(Bracket::Group)) if is_one_of(word, &EXTENDED) => {
            (profile.extended_ranges && after_expression).then_some(word.len())
        }
        (_, Some(Bracket::Range)) if computes && profile.duration_expressions => {
            Some(rest.find([']', ':']).unwrap_or(rest.len()))
        }
        _ if after_offset && computes && profile.duration_expressions => {
            Some(rest.find(')').map_or(rest.len(), |end| end + 1))
        }
        _ => None,
    }
}

const EXTENDED: [&str; 2] = ["anchored", "smoothed"];

/// What `holt_winters` is called since 3.0, and by the parser.
const SMOOTHING: &str = "double_exponential_smoothing";

fn is_call(after: &str) -> bool {
    after.trim_start().starts_with('(')
}

fn is_one_of(word: &str, words: &[&str]) -> bool {
    words.iter().any(|known| word.eq_ignore_ascii_case(known))
}

/// What releases before 3.0 do not parse (prometheus 3.0 promql/parser/generated_parser.y
/// `number_duration_literal`, `grouping_label`; quoted names in matchers from 2.51 on, `string_identifier`).
fn refuse(
    token: Token<'_>,
    before: Token<'_>,
    inner: Option<Bracket>,
    in_time: bool,
    profile: &Profile,
) -> Result<(), ParseError> {
    let syntax = |message: String| Err(ParseError(message));
    match token {
        Token::Duration(text) if !profile.v3 && !in_time => syntax(format!("unexpected duration {text:?}")),
        Token::Number if !profile.v3 && in_time => syntax("missing unit character in duration".to_owned()),
        Token::Text(text) if !profile.v3 && inner == Some(Bracket::LabelList) => syntax(format!(
            "unexpected string {text} in grouping opts, expected label"
        )),
        Token::Text(text)
            if !profile.quoted_names
                && inner == Some(Bracket::Matchers)
                && matches!(before, Token::Sign('{' | ',')) =>
        {
            syntax(format!("unexpected string {text} in label matching"))
        }
        _ => Ok(()),
    }
}

/// The token at the beginning of a text, and its length.
fn next(text: &str, inner: Option<Bracket>) -> Result<(Token<'_>, usize), ParseError> {
    let bytes = text.as_bytes();
    let word_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let first = bytes[0];
    if matches!(first, b'"' | b'\'' | b'`') {
        let length = literal_length(bytes)?;
        return Ok((Token::Text(&text[..length]), length));
    }
    let colon = first == b':' && inner != Some(Bracket::Range);
    if first.is_ascii_alphabetic() || first == b'_' || colon {
        let length = text.find(|c| !word_part(c)).unwrap_or(text.len());
        return Ok((Token::Word(&text[..length]), length));
    }
    let digit_after_point = first == b'.' && bytes.get(1).is_some_and(u8::is_ascii_digit);
    if first.is_ascii_digit() || digit_after_point {
        let length = number_length(bytes);
        let number = &text[..length];
        let token = if is_duration(number) {
            Token::Duration(number)
        } else {
            Token::Number
        };
        return Ok((token, length));
    }
    let sign = text.chars().next().unwrap_or(' ');
    Ok((Token::Sign(sign), sign.len_utf8()))
}

fn number_length(bytes: &[u8]) -> usize {
    let hexadecimal = bytes.len() > 1 && bytes[0] == b'0' && bytes[1].eq_ignore_ascii_case(&b'x');
    let mut length = 0;
    while let Some(&byte) = bytes.get(length) {
        let exponent = length > 0 && bytes[length - 1].eq_ignore_ascii_case(&b'e') && !hexadecimal;
        let sign = matches!(byte, b'+' | b'-') && exponent;
        if !byte.is_ascii_alphanumeric() && !matches!(byte, b'.' | b'_') && !sign {
            break;
        }
        length += 1;
    }
    length
}

/// Digits and a unit, once or more.
fn is_duration(text: &str) -> bool {
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let unit = rest[digits..].bytes().take_while(u8::is_ascii_alphabetic).count();
        let known = matches!(
            &rest[digits..digits + unit],
            "ms" | "s" | "m" | "h" | "d" | "w" | "y"
        );
        if digits == 0 || !known {
            return false;
        }
        rest = &rest[digits + unit..];
    }
    true
}

fn literal_length(bytes: &[u8]) -> Result<usize, ParseError> {
    let quote = bytes[0];
    let mut at = 1;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' if quote != b'`' => at += 1,
            b'\n' if quote != b'`' => break,
            _ if byte == quote => return Ok(at + 1),
            _ => {}
        }
        at += 1;
    }
    Err(ParseError("unterminated quoted string".to_owned()))
}

/// Takes off quotes and resolves escapes, as Go does for its own literals, with `'` like `"`
/// (prometheus 3.5 util/strutil/quote.go `Unquote`). Bytes that are not UTF-8 become replacement characters.
fn unquote(literal: &str) -> Result<String, ParseError> {
    let quote = literal.as_bytes()[0];
    let body = &literal[1..literal.len() - 1];
    if quote == b'`' {
        return Ok(body.to_owned());
    }
    let refuse = || ParseError(format!("unknown escape sequence in {literal}"));
    let mut bytes = Vec::with_capacity(body.len());
    let mut chars = body.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        let escaped = chars.next().ok_or_else(refuse)?;
        let mut number = |digits: usize, radix: u32, first: &str| {
            let text: String = first.chars().chain(chars.by_ref().take(digits)).collect();
            let complete = text.len() == digits + first.len();
            u32::from_str_radix(&text, radix).ok().filter(|_| complete)
        };
        let byte = match escaped {
            'a' => 0x07,
            'b' => 0x08,
            'f' => 0x0c,
            'n' => b'\n',
            'r' => b'\r',
            't' => b'\t',
            'v' => 0x0b,
            '\\' => b'\\',
            '\'' | '"' if escaped as u8 == quote => quote,
            'x' => u8::try_from(number(2, 16, "").ok_or_else(refuse)?).map_err(|_| refuse())?,
            '0'..='7' => {
                let first = escaped.to_string();
                u8::try_from(number(2, 8, &first).ok_or_else(refuse)?).map_err(|_| refuse())?
            }
            'u' | 'U' => {
                let digits = if escaped == 'u' { 4 } else { 8 };
                let code = number(digits, 16, "")
                    .and_then(char::from_u32)
                    .ok_or_else(refuse)?;
                bytes.extend_from_slice(code.encode_utf8(&mut [0; 4]).as_bytes());
                continue;
            }
            _ => return Err(refuse()),
        };
        bytes.push(byte);
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prometheus::version::LATEST;
    use crate::release::Release;

    fn check(version: &str, query: &str, accepted: bool) {
        let profile = Profile::of(version.parse().unwrap());
        assert_eq!(read(query, &profile).is_ok(), accepted, "{version}: {query}");
    }

    #[test]
    fn older_releases_know_less() {
        for (query, from) in [
            ("rate(x[5m] offset 1h)", "2.42"),
            ("rate(x[5m:1m] offset -1h)", "2.42"),
            ("{\"x\"}", "2.51"),
            ("x{\"a b\"=\"c\"}", "2.51"),
            ("1m + 1", "3.0"),
            ("x - 1m", "3.0"),
            ("rate(x[90])", "3.0"),
            ("sum by (\"a\") (x)", "3.0"),
        ] {
            for version in ["2.42", "2.51", "3.0"] {
                let known: Release = version.parse().unwrap();
                check(version, query, known >= from.parse().unwrap());
            }
        }
    }

    #[test]
    fn what_only_newer_releases_take_is_named() {
        for (query, before, from, text, unread) in [
            (
                "rate(x[2 * 5m])",
                "3.13",
                "3.14",
                "rate(x[1s])",
                "the computed duration \"2 * 5m\"",
            ),
            (
                "x[10m:step()]",
                "3.13",
                "3.14",
                "x[10m:1s]",
                "the computed duration \"step()\"",
            ),
            (
                "x offset (1m + 30s) > 1",
                "3.13",
                "3.14",
                "x offset 1s > 1",
                "the computed duration \"(1m + 30s)\"",
            ),
            (
                "rate(x[5m] smoothed)",
                "3.15",
                "3.16",
                "rate(x[5m] )",
                "the modifier smoothed",
            ),
        ] {
            let old = read(query, &Profile::of(before.parse().unwrap()));
            assert!(
                old.map_or(true, |source| source.unsupported.is_empty()),
                "{before}: {query}"
            );
            let source = read(query, &Profile::of(from.parse().unwrap())).unwrap();
            assert_eq!(source.text, text);
            assert_eq!(source.unsupported, [Unsupported(unread.to_owned())]);
        }
        let name = read("smoothed", &Profile::of(LATEST)).unwrap();
        assert!(name.unsupported.is_empty(), "a metric of that name");
    }

    #[test]
    fn a_former_name_is_a_functions_only_where_it_is_called() {
        let profile = Profile::of(Release::new(2, 53, 0));
        for (query, text) in [
            (
                "holt_winters (x[5m], 0.5, 0.5)",
                "double_exponential_smoothing (x[5m], 0.5, 0.5)",
            ),
            ("holt_winters + 1", "holt_winters + 1"),
        ] {
            assert_eq!(read(query, &profile).unwrap().text, text);
        }
    }

    #[test]
    fn literals_are_unquoted() {
        let profile = Profile::of(LATEST);
        for (literal, expected) in [
            (r#""a\"b""#, "a\"b"),
            (r"'a\'b'", "a'b"),
            (r"`raw\n`", r"raw\n"),
            (r#""\x41\102\u00e9\n""#, "AB\u{e9}\n"),
            (r#""\a\b\f\r\t\v\\""#, "\x07\x08\x0c\r\t\x0b\\"),
        ] {
            let source = read(literal, &profile).unwrap();
            assert_eq!(source.text, "\"§0\"");
            assert_eq!(source.resolve("§0"), expected);
        }
        for literal in [r#""\q""#, r#""\'""#, r#""open"#, "\"two\nlines\""] {
            check("3.5", literal, false);
        }
    }
}
