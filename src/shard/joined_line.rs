//! A line of a channel on its way to many sessions: what is the same for several of them is joined
//! once for each form. Lives for one delivery; bound: one entry for each form and each choice that
//! sessions make of the line, which differ where senders are left out or positions differ.

use std::collections::HashMap;

use crate::{
    connection::outbox::{Batch, Part, SharedPublication},
    publication::{Compression, Delta, WireFormat},
};

/// What a session takes of each publication; absent: it does not take that one.
type Choice = Vec<Option<Delta>>;

/// The line, and what was joined of it so far.
pub(super) struct JoinedLine<'a> {
    pub(super) publications: &'a [(u64, SharedPublication)],
    /// The session at hand gets only what has this number or a greater one.
    pub(super) from: u64,
    /// What it chooses.
    pub(super) choice: Choice,
    bytes_max: usize,
    compression: Compression,
    made: Vec<Made>,
    by_choice: HashMap<(WireFormat, Choice), usize>,
    /// Which was used last.
    last: usize,
}

/// What was joined for one form and choice.
struct Made {
    form: WireFormat,
    choice: Choice,
    parts: Vec<Part>,
}

impl<'a> JoinedLine<'a> {
    /// Of publications with their numbers, in frames of at most so many bytes.
    pub(super) fn new(
        publications: &'a [(u64, SharedPublication)],
        bytes_max: usize,
        compression: Compression,
    ) -> Self {
        Self {
            publications,
            from: 0,
            choice: Vec::with_capacity(publications.len()),
            bytes_max,
            compression,
            made: Vec::new(),
            by_choice: HashMap::new(),
            last: 0,
        }
    }

    /// What the session at hand gets, in its form.
    pub(super) fn parts(&mut self, form: WireFormat) -> &[Part] {
        // Nearly always what the session before it got.
        let is_same = |made: &Made| made.form == form && made.choice == self.choice;
        let last = self.made.get(self.last).filter(|made| is_same(made));
        let known = match last {
            Some(_) => Some(self.last),
            None => self.by_choice.get(&(form, self.choice.clone())).copied(),
        };
        self.last = known.unwrap_or_else(|| self.make(form));
        &self.made[self.last].parts
    }

    fn make(&mut self, form: WireFormat) -> usize {
        let chosen = self.publications.iter().zip(&self.choice);
        let chosen: Vec<_> = chosen
            .filter_map(|((_, publication), delta)| Some((publication.clone(), (*delta)?)))
            .collect();
        let index = self.made.len();
        self.made.push(Made {
            form,
            choice: self.choice.clone(),
            parts: Batch::join(&chosen, form, self.bytes_max, &self.compression),
        });
        self.by_choice.insert((form, self.choice.clone()), index);
        index
    }
}

#[cfg(test)]
mod tests {
    use std::{rc::Rc, sync::Arc};

    use super::*;
    use crate::publication::{Payload, Publication, Target};

    fn line() -> Vec<(u64, SharedPublication)> {
        let texts = (0..4).map(|number| {
            let target = Target::Channel("c".into());
            let payload = Payload::Text(number.to_string().into());
            let publication = Publication::message(target, payload);
            (number, Rc::new(Arc::new(publication)))
        });
        texts.collect()
    }

    fn joined<'a>(line: &'a mut JoinedLine<'_>, choice: &[bool], form: WireFormat) -> &'a [Part] {
        line.choice.clear();
        let taken = choice.iter().map(|taken| taken.then_some(Delta::Off));
        line.choice.extend(taken);
        line.parts(form)
    }

    fn batch(parts: &[Part]) -> Rc<Batch> {
        match parts {
            [Part::Several(batch)] => batch.clone(),
            other => panic!("one batch: {other:?}"),
        }
    }

    /// Joining and deflating cost more than all else of a batch. They happen once for all sessions
    /// that take the same in the same form, in whatever order the sessions stand.
    #[test]
    fn what_is_the_same_for_several_is_joined_once() {
        let publications = line();
        let compression = Compression {
            min_bytes: 256,
            level: 3,
        };
        let mut line = JoinedLine::new(&publications, 1 << 16, compression);
        let choices = [[true; 4], [true, false, true, true]];
        let forms = [WireFormat::RAW, WireFormat::raw(15)];
        let mut first = Vec::new();
        for choice in &choices {
            for form in forms {
                first.push(batch(joined(&mut line, choice, form)));
            }
        }
        for _ in 0..3 {
            let mut first = first.iter();
            for choice in &choices {
                for form in forms {
                    for _ in 0..2 {
                        let again = batch(joined(&mut line, choice, form));
                        assert!(Rc::ptr_eq(&again, first.clone().next().expect("as many")));
                    }
                    first.next();
                }
            }
        }
        assert_eq!(line.made.len(), 4);
        assert!(joined(&mut line, &[false; 4], WireFormat::RAW).is_empty());
        assert!(matches!(
            joined(&mut line, &[false, false, true, false], WireFormat::RAW),
            [Part::One(..)]
        ));
    }
}
