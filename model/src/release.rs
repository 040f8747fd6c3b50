//! Release numbers as people write them.

/// Major, minor and patch of `1.2.3`, `v1.2.3` or `1.2`, whose patch counts as 0.
pub(crate) fn parse(text: &str) -> Option<[u16; 3]> {
    let mut parts = text.strip_prefix('v').unwrap_or(text).split('.');
    let mut next = || parts.next().map(|part| part.parse::<u16>().ok());
    let (major, minor, patch) = (next()??, next()??, next().unwrap_or(Some(0))?);
    parts.next().is_none().then_some([major, minor, patch])
}

#[test]
fn a_patch_may_be_left_out_and_nothing_else() {
    assert_eq!(parse("v2.53.3"), Some([2, 53, 3]));
    assert_eq!(parse("1.14"), Some([1, 14, 0]));
    for wrong in [
        "",
        "1",
        "1.",
        "1.2.",
        "1.2.3.4",
        "1.x",
        "vv1.2",
        "1.-2",
        "1.2.3-rc1",
    ] {
        assert_eq!(parse(wrong), None, "{wrong}");
    }
}
