//! A file that grows: its new lines, also behind a rotation, a truncation and a start of the bot.

use std::fs::{File, Metadata};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How often a file is looked at that has nothing new.
pub const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Longest line of a file, in bytes; a longer one counts as bad.
pub const TAIL_LINE_BYTES_MAX: usize = 64 * 1024;
/// Most files of a folder that are looked through for one that was renamed.
pub const RENAMED_LOOKED_MAX: usize = 1_000;
/// How much is read at once.
const READ_BYTES: usize = 64 * 1024;

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TailLine {
    /// Its text; none: it was longer than it may be.
    pub text: Option<String>,
    /// Where the file goes on behind it.
    pub cursor: String,
}

/// A file that is followed.
pub struct Tail {
    path: PathBuf,
    open: Option<Open>,
    /// Where it goes on when it is opened first; none: at its end.
    from: Option<Place>,
    begun: bool,
}

struct Open {
    file: File,
    id: (u64, u64),
    /// Behind the last whole line.
    at: u64,
    /// What was read behind that.
    rest: Vec<u8>,
    too_long: bool,
    /// How much of a line that is too long was left out.
    left_out: u64,
}

/// A file, whatever it is called by now, and a place in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    id: (u64, u64),
    at: u64,
}

impl Place {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split(':').map(|part| part.parse::<u64>().ok());
        let (dev, ino, at) = (parts.next()??, parts.next()??, parts.next()??);
        parts.next().is_none().then_some(Self { id: (dev, ino), at })
    }

    fn shown(self) -> String {
        format!("{}:{}:{}", self.id.0, self.id.1, self.at)
    }
}

fn id(meta: &Metadata) -> (u64, u64) {
    (meta.dev(), meta.ino())
}

impl Tail {
    /// Follows a file from where it was left; from its end, where nobody has been yet.
    pub fn new(path: &Path, cursor: Option<&str>) -> Self {
        let from = cursor.and_then(Place::parse);
        Self { path: path.to_owned(), open: None, from, begun: false }
    }

    /// The lines that are there now, at most so many, and none if there is nothing new.
    ///
    /// # Errors
    /// What the system says if the file is there and cannot be read.
    pub fn look(&mut self, most: usize) -> std::io::Result<Vec<TailLine>> {
        if self.open.is_none() && !self.first()? {
            return Ok(vec![]);
        }
        let mut lines = vec![];
        while lines.len() < most {
            let Some(open) = &mut self.open else { break };
            if open.take(&mut lines, most) {
                continue;
            }
            if open.more()? {
                continue;
            }
            // All of it is read: is it still the file of this name?
            let there = match std::fs::metadata(&self.path) {
                Ok(meta) => Some(meta),
                Err(why) if why.kind() == ErrorKind::NotFound => None,
                Err(why) => return Err(why),
            };
            let Some(there) = there else { break };
            let same = id(&there) == open.id;
            if same && there.len() >= open.read_to() {
                break;
            }
            // Another file, or the same one cut off: from its beginning. A torn last line never gets its end.
            self.open = Open::at(&self.path, 0)?;
        }
        Ok(lines)
    }

    /// Where it stands, for one that has no lines yet; none: there is no file.
    pub fn cursor(&self) -> Option<String> {
        self.open.as_ref().map(|open| open.place().shown())
    }

    /// Opens it for the first time; false: it is not there.
    fn first(&mut self) -> std::io::Result<bool> {
        let begun = std::mem::replace(&mut self.begun, true);
        let here = Open::at(&self.path, 0)?;
        self.open = match (self.from.take(), here) {
            // It came to be while somebody was looking.
            (None, here) if begun => here,
            (None, here) => match here {
                Some(open) => Open::at(&self.path, open.file.metadata()?.len())?,
                None => None,
            },
            (Some(from), Some(open)) if open.id == from.id => {
                let whole = open.file.metadata()?.len() >= from.at;
                Open::at(&self.path, if whole { from.at } else { 0 })?
            }
            // It was renamed meanwhile: what is left of it comes first.
            (Some(from), here) => match self.renamed(from, RENAMED_LOOKED_MAX)? {
                Some(old) => Some(old),
                None => here,
            },
        };
        Ok(self.open.is_some())
    }

    /// The file that had the name once, under the name that it has now.
    fn renamed(&self, from: Place, most: usize) -> std::io::Result<Option<Open>> {
        let Some(folder) = self.path.parent() else { return Ok(None) };
        let Ok(entries) = std::fs::read_dir(folder) else { return Ok(None) };
        for entry in entries.flatten().take(most) {
            let same = entry.metadata().is_ok_and(|meta| meta.is_file() && id(&meta) == from.id);
            if same {
                return Open::at(&entry.path(), from.at);
            }
        }
        Ok(None)
    }
}

impl Open {
    /// Opens a file at a place; none: it is not there.
    fn at(path: &Path, at: u64) -> std::io::Result<Option<Self>> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(why) if why.kind() == ErrorKind::NotFound => return Ok(None),
            Err(why) => return Err(why),
        };
        let meta = file.metadata()?;
        if !meta.is_file() {
            return Err(std::io::Error::new(ErrorKind::InvalidInput, "it is no file"));
        }
        file.seek(SeekFrom::Start(at))?;
        let id = id(&meta);
        Ok(Some(Self { file, id, at, rest: vec![], too_long: false, left_out: 0 }))
    }

    fn place(&self) -> Place {
        Place { id: self.id, at: self.at }
    }

    fn read_to(&self) -> u64 {
        self.at + self.left_out + self.rest.len() as u64
    }

    /// Takes the whole lines out of what was read; says whether there were any.
    fn take(&mut self, lines: &mut Vec<TailLine>, most: usize) -> bool {
        let mut taken = 0;
        let mut any = false;
        while lines.len() < most
            && let Some(end) = self.rest[taken..].iter().position(|byte| *byte == b'\n')
        {
            let line = &self.rest[taken..taken + end];
            let fits = !self.too_long && line.len() <= TAIL_LINE_BYTES_MAX;
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let text = fits.then(|| String::from_utf8_lossy(line).into_owned());
            self.at += (end + 1) as u64 + std::mem::take(&mut self.left_out);
            self.too_long = false;
            taken += end + 1;
            any = true;
            lines.push(TailLine { text, cursor: self.place().shown() });
        }
        self.rest.drain(..taken);
        if self.rest.len() > TAIL_LINE_BYTES_MAX {
            self.too_long = true;
            self.left_out += self.rest.len() as u64;
            self.rest.clear();
        }
        any
    }

    /// Reads on; false: there is nothing more yet.
    fn more(&mut self) -> std::io::Result<bool> {
        let mut bytes = vec![0; READ_BYTES];
        let count = self.file.read(&mut bytes)?;
        self.rest.extend_from_slice(&bytes[..count]);
        Ok(count > 0)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    struct Log(tempfile::TempDir);

    impl Log {
        fn new() -> Self {
            Self(tempfile::tempdir().expect("a folder"))
        }

        fn path(&self) -> PathBuf {
            self.0.path().join("x.log")
        }

        fn add(&self, text: &str) {
            let file = File::options().create(true).append(true).open(self.path());
            file.expect("ours").write_all(text.as_bytes()).expect("written");
        }

        fn rotate(&self) {
            std::fs::rename(self.path(), self.0.path().join("x.log.1")).expect("renamed");
        }
    }

    fn texts(tail: &mut Tail) -> (Vec<String>, Option<String>) {
        let lines = tail.look(100).expect("it can be read");
        let last = lines.last().map(|line| line.cursor.clone());
        let text = |line: TailLine| line.text.unwrap_or_else(|| "too long".into());
        (lines.into_iter().map(text).collect(), last)
    }

    #[test]
    fn new_lines_come_once_from_the_end_on() {
        let log = Log::new();
        log.add("old\n");
        let mut tail = Tail::new(&log.path(), None);
        assert_eq!(texts(&mut tail).0, [""; 0]);
        assert!(tail.cursor().expect("it is there").ends_with(":4"));
        log.add("one\ntwo\r\nhal");
        let (lines, cursor) = texts(&mut tail);
        assert_eq!(lines, ["one", "two"]);
        log.add("f\n");
        assert_eq!(texts(&mut tail).0, ["half"]);
        let mut again = Tail::new(&log.path(), cursor.as_deref());
        assert_eq!(texts(&mut again).0, ["half"], "it goes on where it was left");
    }

    #[test]
    fn a_file_that_comes_later_is_read_from_its_beginning() {
        let log = Log::new();
        let mut tail = Tail::new(&log.path(), None);
        assert_eq!(texts(&mut tail).0, [""; 0]);
        log.add("one\n");
        assert_eq!(texts(&mut tail).0, ["one"]);
    }

    #[test]
    fn a_rotation_loses_nothing() {
        let log = Log::new();
        log.add("old\n");
        let mut tail = Tail::new(&log.path(), None);
        texts(&mut tail);
        log.add("one\n");
        log.rotate();
        assert_eq!(texts(&mut tail).0, ["one"], "the old file is read to its end");
        log.add("two\n");
        let (lines, cursor) = texts(&mut tail);
        assert_eq!(lines, ["two"]);
        // The same while nobody looks.
        log.add("three\n");
        log.rotate();
        log.add("four\n");
        let mut again = Tail::new(&log.path(), cursor.as_deref());
        assert_eq!(texts(&mut again).0, ["three", "four"]);
        let mut lost = Tail::new(&log.path(), Some("1:2:3"));
        assert_eq!(texts(&mut lost).0, ["four"], "what is gone is gone");
    }

    #[test]
    fn what_is_cut_off_begins_anew() {
        let log = Log::new();
        log.add("a long first line\n");
        let mut tail = Tail::new(&log.path(), None);
        texts(&mut tail);
        std::fs::write(log.path(), "new\n").expect("written");
        assert_eq!(texts(&mut tail).0, ["new"]);
        let cursor = tail.cursor().expect("it is there");
        std::fs::write(log.path(), "x\n").expect("written");
        let mut again = Tail::new(&log.path(), Some(&cursor));
        assert_eq!(texts(&mut again).0, ["x"]);
    }

    #[test]
    fn lines_have_a_bound_and_their_number_too() {
        let log = Log::new();
        let mut tail = Tail::new(&log.path(), None);
        texts(&mut tail);
        let (fits, long) = ("x".repeat(TAIL_LINE_BYTES_MAX), "x".repeat(3 * TAIL_LINE_BYTES_MAX));
        log.add(&format!("{fits}\n{fits}x\n{long}\nend\n"));
        let (lines, cursor) = texts(&mut tail);
        let shown: Vec<&str> =
            lines.iter().map(|line| if line.len() > 9 { "fits" } else { line }).collect();
        assert_eq!(shown, ["fits", "too long", "too long", "end"]);
        let size = std::fs::metadata(log.path()).expect("there").len();
        assert!(cursor.expect("lines").ends_with(&format!(":{size}")));
        log.add("a\nb\nc\n");
        assert_eq!(tail.look(2).expect("read").len(), 2);
        assert_eq!(texts(&mut tail).0, ["c"]);
    }

    #[test]
    fn a_folder_is_looked_through_within_a_bound() {
        let log = Log::new();
        log.add("one\n");
        let here = Open::at(&log.path(), 0).expect("read").expect("it is there").place();
        log.rotate();
        let tail = Tail::new(&log.path(), None);
        assert!(tail.renamed(here, 0).expect("read").is_none());
        assert!(tail.renamed(here, RENAMED_LOOKED_MAX).expect("read").is_some());
        let folder = Tail::new(log.0.path(), None).look(1).expect_err("a folder has no lines");
        assert_eq!(folder.to_string(), "it is no file");
    }
}
