//! The porting map: which rule of the model stands for which upstream code.
//!
//! Comments cite upstream as `PROJECT VERSION PATH` with functions in backticks behind it, several of each
//! where needed: "(karpenter v1.14 pkg/a/{b,c}.go `F`, `G`; v0.32.4 pkg/d.go)". A function alone in
//! parentheses, "(`F`)", is one of the files that its own file cites. All of them are listed in
//! `citations.txt`, one a line: project, version, path, function (`-` for the whole file), and the file that
//! cites it. When upstream moves, that list says where to look; when a rule comes or goes, it changes with it.

use std::env;
use std::fmt;
use std::fs;
use std::path::Path;

use sim::{SortedMap, SortedSet};

use super::{ends_with, report, root, texts};

const LIST: &str = "tests/tidy/citations.txt";

/// What is cited by its name and a version.
const PROJECTS: [&str; 13] = [
    "cadvisor",
    "client-go",
    "cloud-provider-aws",
    "containerd",
    "karpenter",
    "karpenter-provider-aws",
    "keda",
    "kedacore/keda",
    "kube-state-metrics",
    "kubernetes",
    "metrics-server",
    "prometheus",
    "traefik",
];

/// A file of upstream.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Source {
    project: String,
    version: String,
    path: String,
}

/// A line of the list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Citation {
    source: Source,
    function: String,
    ours: String,
}

impl fmt::Display for Citation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Source {
            project,
            version,
            path,
        } = &self.source;
        write!(f, "{project} {version} {path} {} {}", self.function, self.ours)
    }
}

impl Citation {
    fn parse(line: &str) -> Option<Self> {
        let [project, version, path, function, ours] = line
            .split(' ')
            .map(str::to_owned)
            .collect::<Vec<_>>()
            .try_into()
            .ok()?;
        let source = Source {
            project,
            version,
            path,
        };
        Some(Citation {
            source,
            function,
            ours,
        })
    }
}

/// What a file of ours cites.
#[derive(Debug, Default)]
struct Cited {
    /// By project, version and path.
    whole: SortedSet<(Source, String)>,
    /// By function alone.
    short: SortedSet<String>,
}

fn is_version(text: &str) -> bool {
    let text = text.strip_prefix('v').unwrap_or(text);
    let mut parts = text.split('.');
    let number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    (2..=3).contains(&text.split('.').count()) && parts.all(number)
}

/// A name of Go: not a word of ours, not a label or a metric.
fn is_function(text: &str) -> bool {
    let name = text.rsplit('.').next().unwrap_or(text);
    !name.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'.')
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
}

fn is_mixed_case(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_uppercase()) && text.bytes().any(|byte| byte.is_ascii_lowercase())
}

/// `a/{b,c}.go` is two paths.
fn expand(text: &str) -> Vec<String> {
    let Some((before, rest)) = text.split_once('{') else {
        return vec![text.to_owned()];
    };
    let (inner, after) = rest.split_once('}').unwrap_or((rest, ""));
    inner
        .split(',')
        .map(|own| format!("{before}{}{after}", own.trim()))
        .collect()
}

/// The comments of a file, each block in one line.
fn blocks(text: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut open = String::new();
    for line in text.lines() {
        match line.trim_start().strip_prefix("//") {
            Some(comment) => {
                open.push(' ');
                open.push_str(comment.trim_start_matches(['/', '!']).trim());
            }
            None if open.is_empty() => {}
            None => blocks.push(std::mem::take(&mut open)),
        }
    }
    blocks.push(open);
    blocks
}

/// Without the spaces within braces.
fn close_braces(text: &str) -> String {
    let mut inside = false;
    let mut closed = String::new();
    for letter in text.chars() {
        match letter {
            '{' => inside = true,
            '}' => inside = false,
            _ => {}
        }
        if !(inside && letter == ' ') {
            closed.push(letter);
        }
    }
    closed
}

impl Cited {
    fn of(text: &str) -> Self {
        let mut cited = Cited::default();
        for block in blocks(text) {
            cited.read(&close_braces(&block));
        }
        cited
    }

    fn read(&mut self, block: &str) {
        let words: Vec<&str> = block.split_whitespace().collect();
        let mut project: Option<(String, String)> = None;
        let mut paths: Vec<String> = Vec::new();
        let mut named = false;
        let (mut depth, mut short) = (0_i32, false);
        for (at, word) in words.iter().enumerate() {
            depth += word.matches('(').count() as i32;
            if word.starts_with("(`") && project.is_none() {
                short = true;
            }
            let bare = word
                .trim_start_matches('(')
                .trim_end_matches([',', ';', ':', '.', ')']);
            let next = words
                .get(at + 1)
                .map(|next| next.trim_end_matches([',', ';', ':', '.', ')']));
            let quoted = bare.strip_prefix('`').and_then(|own| own.strip_suffix('`'));
            if PROJECTS.contains(&bare) && next.is_some_and(is_version) {
                self.close(&project, &paths, named);
                let name = bare.trim_start_matches("kedacore/");
                project = Some((name.to_owned(), next.expect("a version").to_owned()));
                (paths, named) = (Vec::new(), false);
            } else if let Some(own) = &mut project {
                if let Some(function) = quoted.filter(|own| is_function(own)) {
                    named |= !paths.is_empty();
                    for path in &paths {
                        self.whole.insert((source(own, path), function.to_owned()));
                    }
                } else if is_version(bare) {
                    if own.1 != bare {
                        let former = project.clone();
                        self.close(&former, &paths, named);
                        named = true;
                        project = former.map(|(name, _)| (name, bare.to_owned()));
                    }
                } else if quoted.is_none() && !bare.starts_with("..") {
                    let relative = bare.ends_with(".go") && !bare.contains('/');
                    if bare.contains('/') || relative {
                        self.close(&project, &paths, named);
                        let directory = paths.first().and_then(|path| path.rsplit_once('/'));
                        let directory = directory.map(|(own, _)| own.to_owned());
                        paths = expand(bare);
                        if let Some(directory) = directory.filter(|_| relative) {
                            paths
                                .iter_mut()
                                .for_each(|path| *path = format!("{directory}/{path}"));
                        }
                        named = false;
                    }
                }
            } else if let Some(function) =
                quoted.filter(|own| short && is_function(own) && is_mixed_case(own))
            {
                self.short.insert(function.to_owned());
            }
            depth -= word.matches(')').count() as i32;
            if depth <= 0 {
                short = false;
                if word.ends_with([')', '.'])
                    || word.contains(").")
                    || word.contains("),")
                    || word.contains(");")
                {
                    self.close(&project, &paths, named);
                    (project, paths, named) = (None, Vec::new(), false);
                }
            }
        }
        self.close(&project, &paths, named);
    }

    /// The paths behind which no function came are cited as a whole.
    fn close(&mut self, project: &Option<(String, String)>, paths: &[String], named: bool) {
        if let Some(project) = project.as_ref().filter(|_| !named) {
            let all = paths.iter().map(|path| (source(project, path), "-".to_owned()));
            self.whole.extend(all);
        }
    }
}

fn source((project, version): &(String, String), path: &str) -> Source {
    Source {
        project: project.clone(),
        version: version.trim_start_matches('v').to_owned(),
        path: path.trim_end_matches('/').to_owned(),
    }
}

/// All files of ours that may cite, by path in the repository.
fn cited() -> SortedMap<String, Cited> {
    let root = root();
    let mut all = SortedMap::new();
    for (file, text) in texts().iter().filter(|(file, _)| ends_with(file, "rs")) {
        let name = file.strip_prefix(&root).expect("it lies in the repository");
        if name.starts_with("model/src") || name.starts_with("sim/src") {
            all.insert(name.to_string_lossy().into_owned(), Cited::of(text));
        }
    }
    all
}

/// The files that a function cited alone can be of: those that its own file cites, or else its folder's.
fn near<'c>(all: &'c SortedMap<String, Cited>, ours: &str) -> Vec<&'c Source> {
    let folder = ours
        .rsplit_once('/')
        .map(|(folder, _)| format!("{folder}/mod.rs"));
    let files = [Some(ours.to_owned()), folder];
    let cited = files.into_iter().flatten().filter_map(|file| all.get(&file));
    cited
        .flat_map(|own| own.whole.iter().map(|(source, _)| source))
        .collect()
}

fn lies_in(path: &str, cited: &str) -> bool {
    path == cited || path.strip_prefix(cited).is_some_and(|rest| rest.starts_with('/'))
}

fn listed() -> Vec<Citation> {
    let text = fs::read_to_string(root().join(LIST)).expect("the list is in the repository");
    let lines = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    lines
        .map(|line| {
            Citation::parse(line).unwrap_or_else(|| panic!("{LIST}: {line:?}: five words are expected"))
        })
        .collect()
}

#[test]
fn what_is_cited_is_listed() {
    let (all, listed) = (cited(), listed());
    let known: SortedSet<&Citation> = listed.iter().collect();
    let mut used: SortedSet<&Citation> = SortedSet::new();
    let mut problems = Vec::new();
    for (ours, own) in &all {
        for (source, function) in &own.whole {
            let citation = Citation {
                source: source.clone(),
                function: function.clone(),
                ours: ours.clone(),
            };
            match known.get(&citation) {
                Some(known) => _ = used.insert(known),
                None => problems.push(format!("{LIST}: lacks: {citation}")),
            }
        }
        let near = near(&all, ours);
        for function in &own.short {
            let fits = |line: &&Citation| {
                let of = |source: &&Source| {
                    (&source.project, &source.version) == (&line.source.project, &line.source.version)
                        && lies_in(&line.source.path, &source.path)
                };
                line.ours == *ours && line.function == *function && near.iter().any(of)
            };
            let lines: Vec<&Citation> = listed.iter().filter(fits).collect();
            if lines.is_empty() {
                let first = near.first().map_or("of what file?".to_owned(), |source| {
                    format!("{} {} {}", source.project, source.version, source.path)
                });
                problems.push(format!(
                    "{LIST}: lacks: {first} {function} {ours} (or another file that it cites)"
                ));
            }
            used.extend(lines);
        }
    }
    let stale = listed.iter().filter(|line| !used.contains(line));
    problems.extend(stale.map(|line| format!("{LIST}: is not cited any more: {line}")));
    if !listed.is_sorted() {
        problems.push(format!("{LIST}: is not sorted"));
    }
    report(&problems);
}

/// Looks up what is cited in upstream's own files: `UPSTREAM=DIR cargo test -p scaletwin-tests --test tidy --
/// --ignored cited`, where `DIR/PROJECT-VERSION` is a checkout. Prints the list as it should be.
#[test]
#[ignore = "needs checkouts of upstream"]
fn what_is_cited_exists() {
    let sources = env::var("UPSTREAM").expect("UPSTREAM names a directory of checkouts");
    let all = cited();
    let mut list = SortedSet::new();
    let mut problems = Vec::new();
    for (ours, own) in &all {
        for (source, function) in &own.whole {
            if exists(&sources, source, function).is_none_or(|found| found.is_empty()) {
                problems.push(format!(
                    "{ours}: {} {} {} {function}",
                    source.project, source.version, source.path
                ));
            }
            list.insert(Citation {
                source: source.clone(),
                function: function.clone(),
                ours: ours.clone(),
            });
        }
        let near = near(&all, ours);
        for function in &own.short {
            let found = near.iter().filter_map(|source| {
                let path = exists(&sources, source, function)?.into_iter().next()?;
                Some(Source {
                    path,
                    ..(*source).clone()
                })
            });
            let Some(source) = found.min_by_key(|source| source.version != near[0].version) else {
                problems.push(format!(
                    "{ours}: ({function}) is in none of the files that it cites"
                ));
                continue;
            };
            list.insert(Citation {
                source,
                function: function.clone(),
                ours: ours.clone(),
            });
        }
    }
    for line in &list {
        println!("{line}");
    }
    report(&problems);
}

/// The files at or below a path in which a name is written; `None` if there is no checkout.
fn exists(sources: &str, source: &Source, function: &str) -> Option<Vec<String>> {
    let checkout = Path::new(sources).join(format!("{}-{}", source.project, source.version));
    if !checkout.exists() {
        return None;
    }
    let place = checkout.join(&source.path);
    let mut files = vec![source.path.clone()];
    if place.is_dir() {
        files = below(&checkout, &source.path);
        if function == "-" {
            return Some(files);
        }
        files.retain(|name| name.ends_with(".go") && !name.ends_with("_test.go"));
    }
    let name = function.rsplit('.').next().unwrap_or(function);
    let mentions = |file: &String| {
        let text = fs::read_to_string(checkout.join(file)).unwrap_or_default();
        let word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        !text.is_empty() && (function == "-" || text.split(|letter| !word(letter)).any(|own| own == name))
    };
    files.retain(mentions);
    Some(files)
}

/// All files in a folder and the folders in it.
fn below(checkout: &Path, folder: &str) -> Vec<String> {
    let mut files = Vec::new();
    for entry in fs::read_dir(checkout.join(folder))
        .into_iter()
        .flatten()
        .flatten()
    {
        let name = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            files.extend(below(checkout, &name));
        } else {
            files.push(name);
        }
    }
    files.sort();
    files
}
