//! Figures as pure functions of recorded curves.
//!
//! A [`Figure`] says what is to be seen: panels on a grid, each with layers over one time axis. [`svg`] and
//! [`png`] draw it. Nothing here knows where the curves come from, so a figure drawn from a simulation, a
//! sweep and a recording of a real cluster look the same.

mod draw;
mod figure;
mod layers;
mod panel;
mod render;
mod scale;
mod theme;
mod words;

pub use figure::{Curve, Figure, Layer, Mark, Panel, Place, Stroke};
pub use render::{Error, png, svg};
pub use theme::{Color, Theme};
