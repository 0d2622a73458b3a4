//! The right to answer under a simulated clock: nodes, leads and a store that lose messages, stall, die and have clocks that run
//! at rates of their own. One rule is checked at every grant: nobody else may still be answering.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::IpAddr;
use std::time::Duration;

use super::announcing::name;
use super::fixture::Site;
use crate::cluster::Cluster;
use crate::id::Entropy;
use crate::lb::announce::holder::Renewal;
use crate::lb::announce::{Holder, Moment, Presence, Rights, Tenure, Turn, Verdict, Willing, reconcile};
use crate::net::Name;
use crate::schema::PlanContext;
use crate::time::Timestamp;

/// Real time, in microseconds.
type Time = u64;

const TTL: Duration = Duration::from_secs(1);
const LEASE: Duration = Duration::from_secs(3);
/// How often nodes renew, as they count.
const RENEW: Time = 250_000;
const TURN: Turn = Turn { most: 100, spread: true };

/// What goes wrong, and how much.
#[derive(Debug, Clone, Copy)]
struct Faults {
    /// The most that a clock's rate differs from 1, in thousandths.
    drift: u64,
    /// Messages lost, of a thousand.
    loss: u64,
    /// The longest way of a message, in microseconds; of a tenth of them, ten times that.
    delay: Time,
    /// Nodes and leads stall, and leads are killed.
    stalls: bool,
}

const CALM: Faults = Faults { drift: 0, loss: 0, delay: 3_000, stalls: false };
/// The stated bound: rates that differ by less than a tenth.
const ROUGH: Faults = Faults { drift: 50, loss: 100, delay: 40_000, stalls: true };

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % bound.max(1)
    }

    fn chance(&mut self, of_thousand: u64) -> bool {
        self.below(1000) < of_thousand
    }
}

/// A clock with an origin and a rate of its own.
#[derive(Debug, Clone, Copy)]
struct Clock {
    origin: u64,
    /// Millionths of a second that it counts in a second.
    rate: u64,
}

impl Clock {
    fn new(random: &mut Random, faults: Faults) -> Self {
        let drift = random.below(2 * faults.drift * 1000 + 1);
        Self { origin: random.below(1_000_000_000), rate: 1_000_000 - faults.drift * 1000 + drift }
    }

    fn at(&self, time: Time) -> Moment {
        Duration::from_micros(self.origin + (u128::from(time) * u128::from(self.rate) / 1_000_000) as u64)
    }

    /// When the clock shows the moment.
    fn shows(&self, moment: Moment) -> Time {
        let counted = (moment.as_micros() as u64).saturating_sub(self.origin);
        (u128::from(counted) * 1_000_000 / u128::from(self.rate)) as u64
    }
}

struct Agent {
    name: Name,
    clock: Clock,
    holder: Holder,
    /// The newest state it has heard of, by its number.
    seen: u64,
    stalled_until: Time,
    dead: bool,
    /// Counts its starts: an answer to an earlier one does not reach it.
    life: u64,
    /// Until when it answers for what, as it knows, in real time.
    answers: BTreeMap<IpAddr, Time>,
}

struct Lead {
    tenure: Tenure,
    rights: Rights,
    presence: Presence,
    /// What the last turn looked at and left alone.
    settled: Option<(u64, Willing)>,
}

struct Replica {
    clock: Clock,
    view: Cluster,
    seen: u64,
    lead: Option<Lead>,
    stalled_until: Time,
}

#[derive(Debug)]
enum Event {
    AgentTick(usize),
    ReplicaTick(usize),
    Turn(usize),
    /// A request for the lead's lease reaches the store.
    Lease(usize, Moment),
    /// The store's answer: the state as it was then, by its number.
    Leased(usize, Moment, u64),
    Renewal(usize, (usize, u64), Renewal),
    Answer((usize, u64), u64, Verdict),
    /// A commit becomes known.
    AgentSees(usize, u64),
    ReplicaSees(usize, u64),
    Trouble,
}

struct World {
    random: Random,
    faults: Faults,
    now: Time,
    queue: BinaryHeap<Reverse<(Time, u64)>>,
    events: BTreeMap<u64, Event>,
    counter: u64,
    /// Every state that the store has had.
    states: Vec<Cluster>,
    lease: Option<(usize, Time)>,
    agents: Vec<Agent>,
    replicas: Vec<Replica>,
    /// Grants at which somebody else may still have been answering.
    clashes: Vec<String>,
    grants: u64,
}

impl World {
    fn new(seed: u64, agents: usize, services: usize, faults: Faults) -> Self {
        let mut site = Site::usual();
        (0..agents).for_each(|n| site.add_node(&format!("node-{n}"), |_| {}));
        (0..services).for_each(|n| drop(site.create(&format!("shop/s{n}"), |_| {}).unwrap()));
        let mut random = Random(seed);
        let agents = (0..agents).map(|n| Agent {
            name: name(&format!("node-{n}")),
            clock: Clock::new(&mut random, faults),
            holder: Holder::default(),
            seen: 0,
            stalled_until: 0,
            dead: false,
            life: 0,
            answers: BTreeMap::new(),
        });
        let agents = agents.collect();
        let replica = |random: &mut Random| Replica {
            clock: Clock::new(random, faults),
            view: site.cluster.clone(),
            seen: 0,
            lead: None,
            stalled_until: 0,
        };
        let replicas = vec![replica(&mut random), replica(&mut random)];
        let mut world = Self {
            random,
            faults,
            now: 0,
            queue: BinaryHeap::new(),
            events: BTreeMap::new(),
            counter: 0,
            states: vec![site.cluster.clone()],
            lease: None,
            agents,
            replicas,
            clashes: Vec::new(),
            grants: 0,
        };
        (0..world.agents.len()).for_each(|n| world.after(n as u64 * 1000, Event::AgentTick(n)));
        (0..2).for_each(|n| world.after(n as u64 * 500, Event::ReplicaTick(n)));
        if faults.stalls {
            world.after(500_000, Event::Trouble);
        }
        world
    }

    fn after(&mut self, wait: Time, event: Event) {
        self.counter += 1;
        self.queue.push(Reverse((self.now + wait, self.counter)));
        self.events.insert(self.counter, event);
    }

    /// Sends a message: it may be lost, and takes its time.
    fn send(&mut self, event: Event) {
        if self.random.chance(self.faults.loss) {
            return;
        }
        self.deliver(event);
    }

    /// What takes its time but arrives.
    fn deliver(&mut self, event: Event) {
        let longest = if self.random.chance(100) { self.faults.delay * 10 } else { self.faults.delay };
        let longest = if self.faults.stalls { longest } else { self.faults.delay };
        let wait = 100 + self.random.below(longest);
        self.after(wait, event);
    }

    fn run_until(&mut self, end: Time) {
        while let Some(Reverse((at, number))) = self.queue.peek().copied() {
            if at > end {
                break;
            }
            self.queue.pop();
            self.now = at;
            let event = self.events.remove(&number).unwrap();
            self.step(event);
        }
        self.now = end;
    }

    fn step(&mut self, event: Event) {
        let stalled = match &event {
            Event::AgentTick(a) | Event::Answer((a, _), ..) | Event::AgentSees(a, _) => self.agents[*a].stalled_until,
            Event::ReplicaTick(r) | Event::Turn(r) | Event::Leased(r, ..) | Event::Renewal(r, ..) | Event::ReplicaSees(r, _) => {
                self.replicas[*r].stalled_until
            }
            Event::Lease(..) | Event::Trouble => 0,
        };
        if stalled > self.now {
            return self.after(stalled - self.now, event);
        }
        match event {
            Event::AgentTick(agent) => self.agent_tick(agent),
            Event::ReplicaTick(replica) => self.replica_tick(replica),
            Event::Turn(replica) => self.turn(replica),
            Event::Lease(replica, sent) => self.lease(replica, sent),
            Event::Leased(replica, sent, state) => self.leased(replica, sent, state),
            Event::Renewal(replica, agent, renewal) => self.renewal(replica, agent, &renewal),
            Event::Answer(agent, sequence, verdict) => self.answer(agent, sequence, &verdict),
            Event::AgentSees(agent, state) => self.agent_sees(agent, state),
            Event::ReplicaSees(replica, state) => {
                let replica = &mut self.replicas[replica];
                if state > replica.seen {
                    (replica.seen, replica.view) = (state, self.states[state as usize].clone());
                }
            }
            Event::Trouble => self.trouble(),
        }
    }

    fn agent_tick(&mut self, agent: usize) {
        self.renew(agent);
        self.after(RENEW, Event::AgentTick(agent));
    }

    fn renew(&mut self, agent: usize) {
        let one = &mut self.agents[agent];
        if one.dead {
            return;
        }
        let renewal = one.holder.renewal(one.clock.at(self.now));
        // It mostly knows who leads.
        let known = self.lease.map_or(0, |(replica, _)| replica);
        let replica = if self.random.chance(50) { 1 - known } else { known };
        let life = self.agents[agent].life;
        self.send(Event::Renewal(replica, (agent, life), renewal));
    }

    fn replica_tick(&mut self, replica: usize) {
        let sent = self.replicas[replica].clock.at(self.now);
        self.send(Event::Lease(replica, sent));
        self.after(200_000, Event::ReplicaTick(replica));
    }

    fn lease(&mut self, replica: usize, sent: Moment) {
        let free = self.lease.is_none_or(|(holder, until)| holder == replica || until <= self.now);
        if free {
            self.lease = Some((replica, self.now + LEASE.as_micros() as Time));
            let state = self.states.len() as u64 - 1;
            self.send(Event::Leased(replica, sent, state));
        }
    }

    fn leased(&mut self, replica: usize, sent: Moment, state: u64) {
        let one = &mut self.replicas[replica];
        let now = one.clock.at(self.now);
        match one.lead.as_mut().filter(|lead| lead.tenure.holds(now)) {
            Some(lead) => lead.tenure.renewed(sent),
            None => {
                // It reads the state before it begins.
                if state > one.seen {
                    (one.seen, one.view) = (state, self.states[state as usize].clone());
                }
                let tenure = Tenure::new(LEASE, sent);
                let answering: Vec<Name> = one.view.lb.board().nodes().cloned().collect();
                let presence = Presence::new(TTL, &answering, TTL * 2, now);
                one.lead = Some(Lead { tenure, rights: Rights::new(TTL, now), presence, settled: None });
                self.after(0, Event::Turn(replica));
            }
        }
    }

    fn turn(&mut self, replica: usize) {
        let (now, newest) = (self.now, self.states.len() as u64 - 1);
        let one = &mut self.replicas[replica];
        let local = one.clock.at(now);
        let Some(lead) = one.lead.as_mut().filter(|lead| lead.tenure.holds(local)) else {
            one.lead = None;
            return;
        };
        lead.presence.forget(&one.view, local);
        let context = PlanContext { now: Timestamp(now), entropy: Entropy(u128::from(now)) };
        let found = Some((one.seen, lead.presence.willing(local)));
        let changes = match &found {
            Some((_, willing)) if lead.settled != found => reconcile(&one.view, willing, TURN, context),
            _ => Vec::new(),
        };
        lead.settled = found.filter(|_| changes.is_empty());
        // A commit goes in only on the newest state.
        if !changes.is_empty() && one.seen == newest {
            changes.into_iter().for_each(|change| one.view.apply(&change.into()));
            one.seen += 1;
            self.states.push(one.view.clone());
            (0..self.agents.len()).for_each(|agent| self.deliver(Event::AgentSees(agent, newest + 1)));
            self.deliver(Event::ReplicaSees(1 - replica, newest + 1));
        }
        self.after(10_000, Event::Turn(replica));
    }

    fn renewal(&mut self, replica: usize, agent: (usize, u64), renewal: &Renewal) {
        let node = &self.agents[agent.0].name;
        let one = &mut self.replicas[replica];
        let local = one.clock.at(self.now);
        let Some(lead) = one.lead.as_mut().filter(|lead| lead.tenure.holds(local)) else { return };
        lead.presence.hear(node, local);
        lead.rights.forget(local);
        lead.rights.release(node, &renewal.released);
        let verdict = lead.rights.renew(one.view.lb.board(), node, &renewal.claims, local);
        self.send(Event::Answer(agent, renewal.sequence, verdict));
    }

    fn answer(&mut self, (agent, life): (usize, u64), sequence: u64, verdict: &Verdict) {
        let one = &mut self.agents[agent];
        if one.dead || one.life != life {
            return;
        }
        one.holder.answered(sequence, verdict, TTL);
        self.observe(agent);
    }

    fn agent_sees(&mut self, agent: usize, state: u64) {
        let one = &mut self.agents[agent];
        if state <= one.seen || one.dead {
            return;
        }
        let (before, after) = (self.states[one.seen as usize].lb.board(), self.states[state as usize].lb.board());
        before.on(&one.name).for_each(|record| {
            if after.of(record.address).is_none_or(|now| now.node != one.name) {
                one.holder.withdraw(record.address);
            }
        });
        after.on(&one.name).for_each(|record| one.holder.assign(record.address, record.epoch));
        one.seen = state;
        self.observe(agent);
        self.renew(agent);
    }

    /// Takes over what the agent answers for now, and looks whether anybody else does.
    fn observe(&mut self, agent: usize) {
        let one = &mut self.agents[agent];
        let addresses = (13u8..=20).map(|last| IpAddr::from([10, 0, 0, last]));
        let held = addresses.filter_map(|address| Some((address, one.clock.shows(one.holder.until(address)?))));
        one.answers = held.filter(|(_, until)| *until > self.now).collect();
        for (address, until) in self.agents[agent].answers.clone() {
            self.grants += 1;
            let others = self.agents.iter().enumerate().filter(|(n, _)| *n != agent);
            for (other, theirs) in others.filter_map(|(n, other)| Some((n, other.answers.get(&address).copied()?))) {
                if theirs > self.now {
                    let (now, clash) = (self.now, until.min(theirs));
                    self.clashes.push(format!("{address}: node-{agent} and node-{other} from {now} to {clash}"));
                }
            }
        }
    }

    fn trouble(&mut self) {
        let length = self.random.below(4_000_000);
        match self.random.below(5) {
            0 | 1 => {
                let agent = self.random.below(self.agents.len() as u64) as usize;
                self.agents[agent].stalled_until = self.now + length;
            }
            2 => {
                let replica = self.random.below(2) as usize;
                self.replicas[replica].stalled_until = self.now + length;
            }
            3 => {
                // Killed and started anew: it remembers nothing.
                let replica = self.random.below(2) as usize;
                self.replicas[replica].lead = None;
            }
            _ => {
                // An agent that is started anew answers for nothing, whatever it was told.
                let agent = self.random.below(self.agents.len() as u64) as usize;
                let one = &mut self.agents[agent];
                (one.holder, one.seen, one.life) = (Holder::default(), 0, one.life + 1);
                one.answers.clear();
                let newest = self.states.len() as u64 - 1;
                self.deliver(Event::AgentSees(agent, newest));
            }
        }
        let wait = self.random.below(1_500_000);
        self.after(wait, Event::Trouble);
    }

    /// Who answers for the address now.
    fn answering(&self, address: IpAddr) -> Option<usize> {
        self.agents.iter().position(|agent| !agent.dead && agent.answers.get(&address).is_some_and(|until| *until > self.now))
    }
}

/// How many seeds a test tries: `POLDER_SEEDS` says more.
fn seeds(usual: u64) -> u64 {
    std::env::var("POLDER_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

#[test]
fn never_two_nodes_answer_for_one_address() {
    let mut grants = 0;
    for seed in 0..seeds(30) {
        let mut world = World::new(seed, 4, 5, ROUGH);
        world.run_until(60_000_000);
        assert_eq!(world.clashes, [] as [String; 0], "seed {seed}");
        grants += world.grants;
    }
    assert!(grants > 15_000, "a simulation in which little is granted shows little: {grants}");
}

#[test]
fn the_simulation_finds_clocks_that_are_worse_than_the_bound() {
    let worse = Faults { drift: 250, ..ROUGH };
    let found = (0..20).any(|seed| {
        let mut world = World::new(seed, 4, 5, worse);
        world.run_until(60_000_000);
        !world.clashes.is_empty()
    });
    assert!(found, "with clocks a quarter fast and a quarter slow two nodes must answer at once sometimes");
}

#[test]
fn the_addresses_of_a_dead_node_are_answered_for_within_a_second_and_a_half() {
    for seed in 0..seeds(50) {
        let mut world = World::new(seed, 3, 6, CALM);
        world.run_until(8_000_000 + seed * 7_001);
        let addresses: Vec<IpAddr> = (13..=18).map(|last| IpAddr::from([10, 0, 0, last])).collect();
        let before: Vec<_> =
            addresses.iter().map(|address| world.answering(*address).expect("everything is answered for")).collect();
        let died = world.now;
        world.agents[0].dead = true;
        assert!(before.contains(&0), "seed {seed}");
        world.run_until(died + 1_500_000);
        let after: Vec<_> = addresses.iter().map(|address| world.answering(*address)).collect();
        assert!(after.iter().all(|node| node.is_some_and(|node| node != 0)), "seed {seed}: {before:?} {after:?}");
        let kept = before.iter().zip(&after).filter(|(before, _)| **before != 0);
        assert!(kept.into_iter().all(|(before, after)| Some(*before) == *after), "seed {seed}: the others stay");
    }
}

#[test]
fn a_lead_that_hands_over_in_time_interrupts_nothing() {
    for seed in 0..seeds(30) {
        let mut world = World::new(seed, 3, 6, CALM);
        world.run_until(8_000_000 + seed * 3_001);
        let leads = world.lease.expect("somebody leads").0;
        // It gives up its lease as it ends; the other asks within a fifth of a second.
        (world.replicas[leads].lead, world.lease) = (None, None);
        world.replicas[leads].stalled_until = Time::MAX;
        for step in 1..200 {
            world.run_until(world.now + 10_000);
            let answered = (13..=18).all(|last| world.answering(IpAddr::from([10, 0, 0, last])).is_some());
            assert!(answered, "seed {seed}: after {step}0 ms");
        }
    }
}
