//! The event queues that are compared.

use std::cell::Cell;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::rc::Rc;
use std::time::Duration;

use nexosim::model::{Context, Model, schedulable};
use nexosim::simulation::{Mailbox, SimInit, Simulation};
use nexosim::time::MonotonicTime;
use rand_distr::{Distribution, Exp1};
use serde::{Deserialize, Serialize};
use sim::{Agenda, Instant, Streams};

/// A way to run the hold model.
pub(crate) trait Contestant {
    fn name(&self) -> &'static str;
    /// By how much fewer events a round has.
    fn slowness(&self) -> usize {
        1
    }
    /// Runs so many events; returns the simulated time reached, in seconds.
    fn run(&mut self, events: usize) -> f64;
}

/// The times between events, the same for all.
struct Delays {
    seconds: Vec<f64>,
    next: usize,
}

impl Delays {
    fn new() -> Self {
        let mut stream = Streams::new(1).stream("bench/hold", 0);
        Delays {
            seconds: (0..1 << 16).map(|_| Exp1.sample(&mut stream)).collect(),
            next: 0,
        }
    }

    fn draw(&mut self) -> f64 {
        self.next = (self.next + 1) & 0xffff;
        self.seconds[self.next] + 1e-9
    }
}

/// What a model's event looks like: which part, which object, a few words of detail.
#[derive(Clone, Copy)]
enum Event {
    Timer { id: u32, _detail: [u32; 4] },
}

pub(crate) struct Ours {
    agenda: Agenda<Event>,
    delays: Delays,
}

impl Ours {
    pub(crate) fn new(timers: u32) -> Self {
        let (mut agenda, mut delays) = (Agenda::new(), Delays::new());
        for id in 0..timers {
            agenda.after(
                Duration::from_secs_f64(delays.draw()),
                Event::Timer { id, _detail: [0; 4] },
            );
        }
        Ours { agenda, delays }
    }
}

impl Contestant for Ours {
    fn name(&self) -> &'static str {
        "scaletwin"
    }

    fn run(&mut self, events: usize) -> f64 {
        for _ in 0..events {
            let Some((now, Event::Timer { id, _detail })) = self.agenda.pop() else {
                unreachable!()
            };
            let due = now + Duration::from_nanos((self.delays.draw() * 1e9) as u64);
            self.agenda.at(due, Event::Timer { id, _detail });
        }
        self.agenda.now().as_secs_f64()
    }
}

/// std's heap with nothing around it: key, sequence, and the same event.
pub(crate) struct BareHeap {
    heap: BinaryHeap<Reverse<(u64, u64, u32, [u32; 4])>>,
    sequence: u64,
    delays: Delays,
}

impl BareHeap {
    pub(crate) fn new(timers: u32) -> Self {
        let mut delays = Delays::new();
        let heap = (0..timers)
            .map(|id| Reverse(((delays.draw() * 1e9) as u64, u64::from(id), id, [0; 4])))
            .collect();
        BareHeap {
            heap,
            sequence: u64::from(timers),
            delays,
        }
    }
}

impl Contestant for BareHeap {
    fn name(&self) -> &'static str {
        "BinaryHeap"
    }

    fn run(&mut self, events: usize) -> f64 {
        let mut now = 0;
        for _ in 0..events {
            let Some(Reverse((at, _, id, detail))) = self.heap.pop() else {
                unreachable!()
            };
            now = at;
            self.sequence += 1;
            self.heap.push(Reverse((
                at + (self.delays.draw() * 1e9) as u64,
                self.sequence,
                id,
                detail,
            )));
        }
        Instant::from_nanos(now).as_secs_f64()
    }
}

#[derive(Clone, Serialize)]
struct Timer {
    id: u32,
}

struct Rearm {
    context: simcore::SimulationContext,
    delays: Delays,
}

impl simcore::EventHandler for Rearm {
    fn on(&mut self, event: simcore::Event) {
        simcore::cast!(match event.data {
            Timer { id } => {
                let delay = self.delays.draw();
                self.context.emit_self(Timer { id }, delay);
            }
        });
    }
}

pub(crate) struct SimCore {
    simulation: simcore::Simulation,
}

impl SimCore {
    pub(crate) fn new(timers: u32) -> Self {
        let mut simulation = simcore::Simulation::new(1);
        let context = simulation.create_context("rearm");
        let mut delays = Delays::new();
        for id in 0..timers {
            context.emit_self(Timer { id }, delays.draw());
        }
        let handler = Rc::new(std::cell::RefCell::new(Rearm { context, delays }));
        simulation.add_handler("rearm", handler);
        SimCore { simulation }
    }
}

impl Contestant for SimCore {
    fn name(&self) -> &'static str {
        "simcore"
    }

    fn run(&mut self, events: usize) -> f64 {
        self.simulation.steps(events as u64);
        self.simulation.time()
    }
}

thread_local! {
    /// NeXosim's models must be serializable; the delays are not part of the model's state.
    static DELAYS: std::cell::RefCell<Delays> = std::cell::RefCell::new(Delays::new());
    static FIRED: Cell<usize> = const { Cell::new(0) };
}

#[derive(Serialize, Deserialize)]
struct Rearming {
    timers: u32,
}

#[Model]
impl Rearming {
    #[nexosim(init)]
    async fn init(&mut self, cx: &Context<Self>) {
        for id in 0..self.timers {
            arm(id, cx);
        }
    }

    #[nexosim(schedulable)]
    fn fire(&mut self, id: u32, cx: &Context<Self>) {
        FIRED.with(|fired| fired.set(fired.get() + 1));
        arm(id, cx);
    }
}

fn arm(id: u32, cx: &Context<Rearming>) {
    let delay = DELAYS.with(|delays| delays.borrow_mut().draw());
    cx.schedule_event(Duration::from_secs_f64(delay), schedulable!(Rearming::fire), id)
        .expect("the delay is positive");
}

pub(crate) struct NexoSim {
    simulation: Simulation,
}

impl NexoSim {
    pub(crate) fn new(timers: u32) -> Self {
        let simulation = SimInit::with_num_threads(1)
            .add_model(Rearming { timers }, Mailbox::new(), "rearm")
            .init(MonotonicTime::EPOCH)
            .expect("the bench starts");
        NexoSim { simulation }
    }
}

impl Contestant for NexoSim {
    fn name(&self) -> &'static str {
        "nexosim"
    }

    fn slowness(&self) -> usize {
        4
    }

    fn run(&mut self, events: usize) -> f64 {
        // A step executes all events of one instant; with these times that is one event, nearly always.
        for _ in 0..events {
            self.simulation.step().expect("there is a next event");
        }
        self.simulation
            .time()
            .duration_since(MonotonicTime::EPOCH)
            .as_secs_f64()
    }
}
