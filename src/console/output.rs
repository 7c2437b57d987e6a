//! What is printed, by a thread that may wait for a stopped terminal or a full pipe so that the event loop need not.
//!
//! A bounded queue: when nobody takes the lines they are dropped, and counted, and the count is printed when somebody
//! does. At a terminal the line that is being typed makes way, see [`Screen`]. Errors of the other end are nobody's
//! business here; a closed pipe just makes everything quiet.

use super::screen::Screen;
use crate::queue::{Receiver, Sender, queue};
use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// Lines that may wait. At a few hundred bytes each this is what a scroll-back of ten screens holds.
const QUEUE_MAX: usize = 512;

/// How long the end of the program waits for lines that are still to be printed.
const FLUSH_PATIENCE: Duration = Duration::from_secs(1);

enum Item {
    Print(String),
    Log(Vec<u8>),
    Flush(Sender<bool>),
    Redraw,
}

/// Prints, and never waits.
#[derive(Clone)]
pub struct Output {
    queue: Sender<Item>,
    dropped: Arc<AtomicU64>,
    screen: Option<Arc<Screen>>,
}

impl Output {
    /// Starts the thread, and takes charge of the terminal if there is one. What is typed there stays, or, but for
    /// commands, is taken away because it will be printed. Before it stands where it goes, if that is not empty.
    ///
    /// # Errors
    /// If the system cannot start a thread.
    pub fn start(keeps_texts: bool, whither: &str) -> io::Result<Output> {
        let (queue, items) = queue(QUEUE_MAX);
        let dropped = Arc::new(AtomicU64::new(0));
        let screen = Screen::open(keeps_texts, whither).map(Arc::new);
        let output = Output { queue, dropped: dropped.clone(), screen: screen.clone() };
        thread::Builder::new().name("output".to_owned()).spawn(move || run(&items, &dropped, screen.as_deref()))?;
        Ok(output)
    }

    /// Prints nothing, for a node that nobody looks at.
    pub fn silent() -> Output {
        let (queue, _) = queue(1);
        Output { queue, dropped: Arc::default(), screen: None }
    }

    /// Where lines can be edited, if they can.
    pub fn screen(&self) -> Option<Arc<Screen>> {
        self.screen.clone()
    }

    /// Gives the terminal back as it was found. What is printed from now on is printed as to a pipe.
    pub fn close(&self) {
        if let Some(screen) = &self.screen {
            screen.close();
        }
    }

    /// Prints a line, or several.
    pub fn print(&self, mut text: String) {
        text.push('\n');
        self.push(Item::Print(text));
    }

    /// The terminal is wider or narrower now, or may be: draws the line that is being typed anew.
    pub fn redraw(&self) {
        if self.screen.is_some() {
            self.push(Item::Redraw);
        }
    }

    /// Waits until everything so far has been printed, for a moment at most.
    pub fn flush(&self) {
        let (done, is_done) = queue(1);
        self.push(Item::Flush(done));
        // Whether it was printed or not, there is nothing left to do about it.
        let _ = is_done.pop_within(FLUSH_PATIENCE);
    }

    fn push(&self, item: Item) {
        if self.queue.try_push(item).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The log comes this way too; each record arrives in one piece.
impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.push(Item::Log(bytes.to_vec()));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn run(items: &Receiver<Item>, dropped: &AtomicU64, screen: Option<&Screen>) {
    let to_stdout = |bytes: &[u8]| write(&mut io::stdout(), bytes);
    let to_stderr = |bytes: &[u8]| write(&mut io::stderr(), bytes);
    let aside = |print: &mut dyn FnMut() -> io::Result<()>| match screen {
        Some(screen) => screen.aside(print),
        None => print(),
    };
    let is_log_seen = io::stderr().is_terminal();
    while let Some(item) = items.pop() {
        // Nobody is there to be told that nobody is there.
        let _ = match item {
            Item::Print(text) => aside(&mut || to_stdout(text.as_bytes())),
            Item::Log(record) if is_log_seen => aside(&mut || to_stderr(&record)),
            Item::Log(record) => to_stderr(&record),
            Item::Redraw => aside(&mut || Ok(())),
            Item::Flush(done) => {
                aside(&mut || Ok(())).and_then(|()| done.push(true).map_err(|_| io::ErrorKind::BrokenPipe.into()))
            }
        };
        let count = dropped.swap(0, Ordering::Relaxed);
        if count > 0 {
            let _ = aside(&mut || to_stderr(format!("({count} lines were dropped here)\n").as_bytes()));
        }
    }
}

fn write(to: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    to.write_all(bytes)?;
    to.flush()
}
