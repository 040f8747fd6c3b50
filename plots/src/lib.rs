//! Figures as pure functions of recorded curves.
//!
//! A [`Figure`] says what is to be seen: panels on a grid, each with layers over one time axis. A [`Chart`] is for
//! what has no time: many configurations, effects, shares. [`svg`] and [`png`] draw either. Nothing here knows where
//! the curves come from, so a figure drawn from a simulation, a sweep and a recording of a real cluster look the same.

mod chart;
mod draw;
mod figure;
mod layers;
mod legend;
mod panel;
mod pixels;
mod render;
mod scale;
mod theme;
mod words;

pub use chart::{Chart, ChartPanel, Dot, Ink, Ruler};
pub use figure::{Curve, Figure, Layer, Mark, Panel, Place, Stroke};
pub use panel::greatest_of as greatest;
pub use render::{Beside, Error, Picture, png, svg};
pub use theme::{Color, Theme};
