//! What a cluster said, as it said it: the recording of a run.
//!
//! A recording is a directory. `recording.jsonl` holds one JSON object a line, in the order in which things were
//! heard; `scenario/`, if it is there, is a copy of the scenario that ran. Nothing here needs a cluster: a
//! recording is read where it was carried to.
//!
//! ```text
//! {"t":0.0,"type":"header","version":1,"run":"r-7f3a","made_by":"live","scenario":"php-apache","epoch":"2026-03-01T13:35:00Z","versions":{"kubernetes":"1.33.4","keda":"2.17.2"}}
//! {"t":0.412,"type":"object","change":"listed","kind":"Pod","namespace":"shop","name":"web-5c9f-x2x7k","uid":"0b1e…","object":{"apiVersion":"v1","metadata":{…},"spec":{…},"status":{…}}}
//! {"t":8.2,"type":"start","clock":"2023-12-28T13:35:00Z"}
//! {"t":15.02,"type":"sample","source":"prometheus","name":"seen.rps","query":"sum(rate(…[2m]))","series":[{"labels":{},"points":[[15.0,37.4]]}]}
//! {"t":16.3,"type":"object","change":"modified","kind":"Pod","namespace":"shop","name":"web-5c9f-x2x7k","uid":"0b1e…","object":{"metadata":{…},"status":{…}}}
//! {"t":30.1,"type":"instances","instances":[{"id":"i-0a1…","instance_type":"m5.large","zone":"us-west-2a","lifecycle":"spot","launched":"2026-03-01T13:35:21Z","state":"running"}]}
//! {"t":41.0,"type":"gap","source":"api","from":40.2,"reason":"connection reset by peer"}
//! {"t":101.7,"type":"gap","source":"api","from":40.2,"to":101.6,"reason":"connection reset by peer"}
//! {"t":120.0,"type":"action","verb":"scale","object":"Deployment shop/load","label":"40 clients to 1"}
//! {"t":600.0,"type":"end","reason":"finished"}
//! ```
//!
//! - `t` is when it was heard: seconds since the header's `epoch`, by the recorder's steady clock. `start` says when the
//!   scenario's time zero was and what the scenario calls it, so that a run of 2023 can be recorded today. Times inside
//!   objects are the API server's; a `clock` entry says how far that clock is ahead of the recorder's.
//! - The first line is the header. A reader refuses a version that it does not know; entries of a type and fields
//!   that it does not know are refused as well, since leaving them out could change what a recording says.
//! - Objects are the API's, less what [`trimmed`] drops: managed fields, environments, commands. A `spec` that is the
//!   same as in the object's last change is left out; [`Recording::read`] puts it back.
//! - What could not be heard is a `gap`, with its source and why. Nothing is ever filled in. A gap is written when
//!   it opens, without `to`, and once more when it closes.
//! - Each line is handed to the operating system whole and at once, so that a killed recorder loses nothing but the
//!   line it was writing; [`Durability`] says when the disk must have it. A line that is torn at the end of the file, or
//!   before an entry `resumed`, is told and left out.

mod entry;
mod reader;
#[cfg(test)]
mod tests;
mod trim;
mod writer;

pub use entry::{
    Action, Change, Clock, End, Entry, Gap, Header, Instance, Instances, Line, Maker, Object, Price, Prices,
    Sample, Series, Start, VERSION,
};
pub use reader::{Error, Recording};
pub use trim::trimmed;
pub use writer::{Durability, Writer};

/// The file in a recording's directory that holds what was said.
pub const FILE: &str = "recording.jsonl";
/// The subdirectory that holds a copy of the scenario, if there is one.
pub const SCENARIO: &str = "scenario";
