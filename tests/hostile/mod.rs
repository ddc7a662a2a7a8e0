//! The hostile guests: what each tries, and what must come of it. The tests run every row, and the example
//! `hostile-table` measures them beside good requests and writes `docs/hostile-guests.md`.
//!
//! A guest is a step of the crate `tests/guests/hostile`, a core module of its folder `wat`, or a component that a function
//! makes. To add one: the guest, and its row in the file of its family.

mod attack;
mod boundary;
mod calls;
mod compiling;
pub mod component;
mod floods;
mod jobs;
mod loops;
mod memory;
mod outcome;
mod outside;
mod queries;
mod resources;
mod scene;
mod secrets;
mod shapes;
mod sites;
mod sleeps;
mod stacks;

pub use attack::{Attack, Guest, Must};
pub use compiling::{Within, compile_bomb, engine_for};
pub use outcome::Outcome;
pub use scene::{LONG, Neighbour, SHORT, Scene, folder, run};
pub use sites::{Allowed, At, Name, Outside, Sees, Site};

/// A kind of attacks.
pub struct Family {
    /// What the table calls it.
    pub name: &'static str,
    /// Its attacks.
    pub attacks: &'static [Attack],
}

/// All of them.
pub const FAMILIES: [Family; 14] = [
    Family { name: "Endless loops", attacks: loops::ATTACKS },
    Family { name: "Sleeping", attacks: sleeps::ATTACKS },
    Family { name: "Memory and tables", attacks: memory::ATTACKS },
    Family { name: "Stacks and traps", attacks: stacks::ATTACKS },
    Family { name: "Handles and resources", attacks: resources::ATTACKS },
    Family { name: "Floods", attacks: floods::ATTACKS },
    Family { name: "Jobs", attacks: jobs::ATTACKS },
    Family { name: "Values that cross", attacks: boundary::ATTACKS },
    Family { name: "Queries", attacks: queries::ATTACKS },
    Family { name: "Secrets", attacks: secrets::ATTACKS },
    Family { name: "The world outside", attacks: outside::ATTACKS },
    Family { name: "Outgoing HTTP", attacks: calls::ATTACKS },
    Family { name: "Shapes of components", attacks: shapes::ATTACKS },
    Family { name: "Compiling", attacks: compiling::ATTACKS },
];
