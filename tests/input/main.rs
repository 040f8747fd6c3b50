//! What users write, right and wrong: every problem is named with file, line, field and hint, and no text
//! whatever makes the readers panic.

mod arbitrary;
mod corpus;
mod fields;
mod pods;
mod refused;
mod sample;
mod shipped;
mod streams;
mod users;
