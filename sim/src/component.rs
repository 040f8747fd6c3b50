//! The shape of a part.

use crate::Instant;

/// One of the real parts. It hears inputs, reads a view, says what it wants, and performs nothing.
pub trait Component: Sized {
    /// All that can happen to it, its own alarms included.
    type Input;
    /// All that it can ask, in its own words.
    type Output;
    /// All that it may look at while it decides: what the original could see, and no more.
    type View<'a>;

    /// Hears one input at `now`.
    fn handle(
        &mut self,
        now: Instant,
        input: Self::Input,
        view: Self::View<'_>,
        out: &mut Outbox<Self::Input, Self::Output>,
    );
}

/// One effect that a component asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action<I, O> {
    /// Hand this input back to me at that time.
    WakeAt(Instant, I),
    /// Do this.
    Emit(O),
}

/// The effects of one or more inputs, in the order in which they were asked for.
#[derive(Debug, Clone)]
pub struct Outbox<I, O> {
    actions: Vec<Action<I, O>>,
}

impl<I, O> Default for Outbox<I, O> {
    fn default() -> Self {
        Outbox { actions: Vec::new() }
    }
}

impl<I, O> Outbox<I, O> {
    /// An empty outbox.
    #[must_use]
    pub fn new() -> Self {
        Outbox::default()
    }

    /// Asks to be handed `input` at `at`.
    pub fn wake_at(&mut self, at: Instant, input: I) {
        self.actions.push(Action::WakeAt(at, input));
    }

    /// Asks for an effect.
    pub fn emit(&mut self, output: O) {
        self.actions.push(Action::Emit(output));
    }

    /// Takes everything out, in order.
    pub fn drain(&mut self) -> impl Iterator<Item = Action<I, O>> + '_ {
        self.actions.drain(..)
    }

    /// Whether nothing was asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.actions.is_empty()
    }
}
