//! The lines of a log, one at a time, so that a log may be larger than memory.

use std::borrow::Cow;
use std::io::{self, BufRead, Read};

use crate::limits::{LOG_BYTES, LOG_LINE_BYTES};

/// Lines of a text that need not end, nor be UTF-8.
pub(super) struct Lines<'a> {
    reader: Box<dyn BufRead + 'a>,
    buffer: Vec<u8>,
    number: u64,
    left: u64,
}

/// A line.
pub(super) struct Line<'a> {
    /// Which one, from 1.
    pub number: u64,
    /// Without its end; `None` if it is longer than a line may be.
    pub text: Option<Cow<'a, str>>,
}

/// Why there is no next line.
pub(super) enum Stop {
    /// It could not be read.
    Failed(io::Error),
    /// There have been more bytes than a log may have.
    TooLarge,
}

impl<'a> Lines<'a> {
    pub fn new(reader: impl BufRead + 'a) -> Self {
        Self { reader: Box::new(reader), buffer: Vec::new(), number: 0, left: LOG_BYTES }
    }

    /// The next line; `None` at the end.
    pub fn next(&mut self) -> Result<Option<Line<'_>>, Stop> {
        self.buffer.clear();
        let most = u64::try_from(LOG_LINE_BYTES).unwrap_or(u64::MAX).saturating_add(1);
        let read = self.reader.by_ref().take(most).read_until(b'\n', &mut self.buffer);
        let read = read.map_err(Stop::Failed)?;
        if read == 0 {
            return Ok(None);
        }
        self.take(read)?;
        self.number = self.number.saturating_add(1);
        if self.buffer.last() == Some(&b'\n') {
            self.buffer.pop();
        } else if self.buffer.len() > LOG_LINE_BYTES {
            self.skip()?;
            return Ok(Some(Line { number: self.number, text: None }));
        }
        if self.buffer.last() == Some(&b'\r') {
            self.buffer.pop();
        }
        let text = String::from_utf8_lossy(&self.buffer);
        Ok(Some(Line { number: self.number, text: Some(text) }))
    }

    /// All that is left, if that is no more than `most` bytes of UTF-8.
    pub fn all(mut self, most: usize) -> Result<String, Stop> {
        let mut text = String::new();
        let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
        self.reader.by_ref().take(limit).read_to_string(&mut text).map_err(Stop::Failed)?;
        if text.len() > most { Err(Stop::TooLarge) } else { Ok(text) }
    }

    /// Goes on to the end of the line.
    fn skip(&mut self) -> Result<(), Stop> {
        loop {
            let found = self.reader.fill_buf().map_err(Stop::Failed)?;
            let end = found.iter().position(|byte| *byte == b'\n');
            let length = end.map_or(found.len(), |end| end + 1);
            self.reader.consume(length);
            self.take(length)?;
            if end.is_some() || length == 0 {
                return Ok(());
            }
        }
    }

    fn take(&mut self, bytes: usize) -> Result<(), Stop> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.left = self.left.checked_sub(bytes).ok_or(Stop::TooLarge)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &[u8]) -> Vec<(u64, Option<String>)> {
        let mut lines = Lines::new(text);
        let mut found = Vec::new();
        while let Ok(Some(line)) = lines.next() {
            found.push((line.number, line.text.map(Cow::into_owned)));
        }
        found
    }

    #[test]
    fn lines_end_in_either_way_and_the_last_need_not() {
        let some = |number, text: &str| (number, Some(text.to_owned()));
        assert_eq!(all(b"a\r\n\nb"), [some(1, "a"), some(2, ""), some(3, "b")]);
        assert_eq!(all(b""), []);
        assert_eq!(all(b"\xff\n"), [some(1, "\u{fffd}")]);
    }

    #[test]
    fn a_line_that_is_too_long_is_passed_over() {
        let long = vec![b'x'; LOG_LINE_BYTES + 10];
        let text = [&long[..], b"\nnext\n"].concat();
        assert_eq!(all(&text), [(1, None), (2, Some("next".to_owned()))]);
        assert_eq!(all(&long), [(1, None)]);
        let fits = vec![b'x'; LOG_LINE_BYTES];
        assert!(all(&[&fits[..], b"\n"].concat())[0].1.is_some());
    }
}
