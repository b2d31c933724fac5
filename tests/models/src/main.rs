//! The letter boxes of the workers, the very source, in every order in which threads can take
//! turns: a wake-up that gets lost leaves somebody asleep for ever, which loom reports as a
//! deadlock. The tracker itself would only be late: it looks at its inbox once a second.

#[path = "../../../src/router/mail.rs"]
#[expect(dead_code)]
mod mail;
mod primitives;

use std::sync::Arc;
use std::time::Instant;

use loom::sync::{Condvar, Mutex};
use loom::thread;
use mail::{Mail, Wake};

/// What a worker sleeps on, as the kernel has it: woken before it sleeps, it does not.
#[derive(Default)]
struct Bed {
    woken: Mutex<bool>,
    changed: Condvar,
}

impl Bed {
    fn wake(&self) {
        *self.woken.lock().unwrap() = true;
        self.changed.notify_one();
    }

    fn sleep(&self) {
        let mut woken = self.woken.lock().unwrap();
        while !*woken {
            woken = self.changed.wait(woken).unwrap();
        }
        *woken = false;
    }
}

/// A letter: from whom, and whether it wants an answer.
#[derive(Debug)]
enum Letter {
    Question(usize),
    Answer,
}

/// A worker without sockets.
struct Worker {
    mail: Mail<Letter>,
    bed: Arc<Bed>,
    answered: usize,
    served: usize,
}

fn workers(number: usize, letters_max: usize) -> Vec<Worker> {
    let beds: Vec<Arc<Bed>> = (0..number).map(|_| Arc::default()).collect();
    let wakes: Vec<Wake> = beds
        .iter()
        .map(|bed| {
            let bed = Arc::clone(bed);
            Arc::new(move || bed.wake()) as Wake
        })
        .collect();
    let boxes = Mail::boxes(&wakes, letters_max).into_iter().zip(beds);
    boxes
        .map(|(mail, bed)| Worker {
            mail,
            bed,
            answered: 0,
            served: 0,
        })
        .collect()
}

impl Worker {
    /// A turn, as `Router::collect` has it; whether to come again without sleep.
    fn turn(&mut self, letters_a_turn: usize) -> bool {
        self.mail.open();
        let mut more = true;
        for _ in 0..letters_a_turn {
            match self.mail.take() {
                Some(Letter::Question(from)) => {
                    self.served += 1;
                    self.mail.answer(from, Letter::Answer);
                }
                Some(Letter::Answer) => self.answered += 1,
                None => {
                    more = false;
                    break;
                }
            }
        }
        self.mail.flush() || more
    }

    /// Turns until so many questions are served and so many answers are in.
    fn work(&mut self, served: usize, answered: usize, letters_a_turn: usize) {
        // Who comes anew looks first.
        let mut again = true;
        while self.served < served || self.answered < answered || again {
            if again {
                thread::yield_now();
            } else {
                self.bed.sleep();
            }
            again = self.turn(letters_a_turn);
        }
    }

    /// Asks, in a turn of its own; while the inbox is full others have theirs.
    fn ask(&mut self, me: usize, of: usize) {
        while !self.mail.post(of, Letter::Question(me)) {
            thread::yield_now();
            self.turn(1);
        }
        self.mail.flush();
    }
}

/// One asks twice, and the other may sleep in between, or not.
fn two_questions_of_one() {
    let [mut asks, mut serves] = pair(2);
    let thread = thread::spawn(move || serves.work(2, 0, 2));
    asks.ask(0, 1);
    asks.ask(0, 1);
    asks.work(0, 2, 2);
    thread.join().unwrap();
}

/// Two ask a third, who is woken by either.
fn questions_of_two() {
    let mut all = workers(3, 2).into_iter();
    let mut serves = all.next().unwrap();
    let threads = all.zip(1..).map(|(mut asks, me)| {
        thread::spawn(move || {
            asks.ask(me, 0);
            asks.work(0, 1, 2);
        })
    });
    let threads: Vec<_> = threads.collect();
    serves.work(2, 0, 2);
    for thread in threads {
        thread.join().unwrap();
    }
}

/// Each asks the other, and the answer finds a box full of questions.
fn full_boxes() {
    let [mut one, mut other] = pair(1);
    let thread = thread::spawn(move || {
        other.ask(1, 0);
        other.work(1, 1, 1);
    });
    one.ask(0, 1);
    one.work(1, 1, 1);
    thread.join().unwrap();
}

/// There is more in the box than a turn allows for.
fn turns_that_end_early() {
    let [mut asks, mut serves] = pair(2);
    let thread = thread::spawn(move || serves.work(2, 0, 1));
    assert!(asks.mail.post(1, Letter::Question(0)));
    assert!(asks.mail.post(1, Letter::Question(0)));
    asks.mail.flush();
    asks.work(0, 2, 1);
    thread.join().unwrap();
}

fn pair(letters_max: usize) -> [Worker; 2] {
    let both: Result<[Worker; 2], _> = workers(2, letters_max).try_into();
    both.unwrap_or_else(|_| unreachable!("as many as were asked for"))
}

fn main() {
    let models: [(&str, fn()); 4] = [
        ("two questions of one", two_questions_of_one),
        ("questions of two", questions_of_two),
        ("full boxes", full_boxes),
        ("turns that end early", turns_that_end_early),
    ];
    for (name, model) in models {
        let began = Instant::now();
        let mut builder = loom::model::Builder::new();
        // More than any known mistake takes, and few enough to go through all orders in seconds.
        builder.preemption_bound = Some(3);
        builder.check(model);
        println!("{name}: sound in every order, {:.1?}", began.elapsed());
    }
}
