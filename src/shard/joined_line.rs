//! Publications on their way to the same receivers, one or several that leave together: what is
//! the same for many sessions is made once for each form. Lives for one delivery; bound: one entry
//! for each form and each of [`CHOICES_MAX`] choices that sessions make of the line, which differ
//! where senders are left out or positions differ.

use std::{collections::HashMap, rc::Rc};

use crate::{
    connection::outbox::{SharedFrame, SharedPublication},
    id::Epoch,
    publication::{Compression, Delta, Lineage, Publication, WireFormat},
};

/// Choices that are joined in one form. Each copies, and may deflate, what others take too: further
/// ones are sent as single frames, which are encoded once whoever takes them.
const CHOICES_MAX: usize = 8;

/// A publication with its number in its line; those of a turn have none.
pub(super) type Numbered = (u64, SharedPublication);

/// What a session takes of each publication; absent: it does not take that one.
type Choice = Vec<Option<Delta>>;

/// The publications, and what was made of them so far.
pub(super) struct JoinedLine<'a> {
    pub(super) publications: &'a [Numbered],
    /// Set where they are the same for everyone who has all that came before them.
    pub(super) run: Option<Run>,
    /// The session at hand gets only what has this number or a greater one.
    pub(super) from: u64,
    /// What it chooses.
    pub(super) choice: Choice,
    bytes_max: usize,
    compression: Compression,
    /// All of them, in the form that was asked for last.
    last: Option<(WireFormat, Frames)>,
    whole: Vec<(WireFormat, Frames)>,
    chosen: Vec<(WireFormat, HashMap<Choice, Frames>)>,
    /// What the session at hand gets where its choice is one too many.
    single: Vec<Rc<SharedFrame>>,
}

/// Frames in one form; of one publication it is one.
enum Frames {
    One(Rc<SharedFrame>),
    Several(Vec<Rc<SharedFrame>>),
}

impl Frames {
    fn as_slice(&self) -> &[Rc<SharedFrame>] {
        match self {
            Self::One(frame) => std::slice::from_ref(frame),
            Self::Several(frames) => frames,
        }
    }
}

/// Messages that follow each other without a gap and leave nobody out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    /// Absent: none of them has a place in a stream.
    pub(super) places: Option<Places>,
}

/// The places of a run in its stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places {
    pub(super) epoch: Epoch,
    /// Offset of the first one.
    pub(super) first: u64,
    /// What it follows.
    pub(super) follows: u64,
    /// Offset of the last one.
    pub(super) last: u64,
    /// Of the last one.
    pub(super) lineage: Lineage,
}

impl Run {
    fn of(publications: &[Numbered]) -> Option<Self> {
        let (_, first) = publications.first()?;
        let mut places = (first.offset() > 0).then(|| Places {
            epoch: first.epoch(),
            first: first.offset(),
            follows: first.item().map_or(0, |item| item.follows),
            last: first.offset(),
            lineage: first.lineage(),
        });
        for (index, (_, publication)) in publications.iter().enumerate() {
            let item = publication.item()?;
            if !publication.is_for_all() || (item.offset > 0) != places.is_some() {
                return None;
            }
            if let Some(places) = places.as_mut().filter(|_| index > 0) {
                places.go_on(publication, item.follows)?;
            }
        }
        Some(Self { places })
    }
}

impl Places {
    fn go_on(&mut self, publication: &Publication, follows: u64) -> Option<()> {
        let next = publication.offset();
        let goes_on = publication.epoch() == self.epoch && follows <= self.last && next > self.last;
        goes_on.then(|| {
            self.last = next;
            self.lineage = publication.lineage();
        })
    }
}

impl<'a> JoinedLine<'a> {
    /// Of publications with their numbers, in frames of at most so many bytes.
    pub(super) fn new(
        publications: &'a [Numbered],
        bytes_max: usize,
        compression: Compression,
    ) -> Self {
        Self {
            publications,
            // A planted fault strikes one publication of one session, so each takes its own look.
            run: Run::of(publications).filter(|_| !cfg!(feature = "planted-faults")),
            from: 0,
            choice: Vec::new(),
            bytes_max,
            compression,
            last: None,
            whole: Vec::new(),
            chosen: Vec::new(),
            single: Vec::new(),
        }
    }

    /// What a session gets that takes all of it, in its form and without deltas.
    #[inline]
    pub(super) fn whole(&mut self, form: WireFormat) -> &[Rc<SharedFrame>] {
        if self.last.as_ref().is_none_or(|(known, _)| *known != form) {
            self.change_form(form);
        }
        self.last
            .as_ref()
            .map_or(&[], |(_, frames)| frames.as_slice())
    }

    /// Puts what there is of a form in front.
    #[cold]
    fn change_form(&mut self, form: WireFormat) {
        let before = self.whole.iter().position(|(known, _)| *known == form);
        let next = match before {
            Some(index) => self.whole.swap_remove(index),
            None => (form, self.make(form, None)),
        };
        self.whole.extend(self.last.replace(next));
    }

    /// What the session at hand gets by its choice, in its form.
    pub(super) fn chosen(&mut self, form: WireFormat) -> &[Rc<SharedFrame>] {
        if self.choice.iter().all(|delta| *delta == Some(Delta::Off)) {
            return self.whole(form);
        }
        if self.choice.iter().all(Option::is_none) {
            return &[];
        }
        let index = self.chosen.iter().position(|(known, _)| *known == form);
        let index = index.unwrap_or_else(|| {
            self.chosen.push((form, HashMap::new()));
            self.chosen.len() - 1
        });
        if !self.chosen[index].1.contains_key(&self.choice) {
            if self.chosen[index].1.len() == CHOICES_MAX {
                return self.singly(form);
            }
            let frames = self.make(form, Some(&self.choice));
            self.chosen[index].1.insert(self.choice.clone(), frames);
        }
        self.chosen[index].1[&self.choice].as_slice()
    }

    fn singly(&mut self, form: WireFormat) -> &[Rc<SharedFrame>] {
        let chosen = self.publications.iter().zip(&self.choice);
        let frames = chosen.filter_map(|((_, publication), delta)| {
            let form = delta.map(|delta| match delta {
                Delta::Off => form,
                delta => form.with_delta(delta),
            })?;
            Some(SharedFrame::one(
                publication.clone(),
                form,
                &self.compression,
            ))
        });
        self.single = frames.collect();
        &self.single
    }

    fn make(&self, form: WireFormat, choice: Option<&Choice>) -> Frames {
        if let ([(_, only)], None) = (self.publications, choice) {
            return Frames::One(SharedFrame::one(only.clone(), form, &self.compression));
        }
        let publications = self.publications.iter().enumerate();
        let chosen: Vec<_> = publications
            .filter_map(|(index, (_, publication))| {
                let delta = choice.map_or(Some(Delta::Off), |choice| choice[index])?;
                Some((publication.clone(), delta))
            })
            .collect();
        let frames = SharedFrame::join(&chosen, form, self.bytes_max, &self.compression);
        Frames::Several(frames)
    }
}

#[cfg(test)]
mod tests {
    use std::{rc::Rc, sync::Arc};

    use super::*;
    use crate::publication::{Content, Item, Payload, Publication, Target};

    fn line() -> Vec<(u64, SharedPublication)> {
        let texts = (0..4).map(|number| {
            let target = Target::Channel("c".into());
            let payload = Payload::Text(number.to_string().into());
            let publication = Publication::message(target, payload);
            (number, Rc::new(Arc::new(publication)))
        });
        texts.collect()
    }

    fn joined<'a>(
        line: &'a mut JoinedLine<'_>,
        choice: &[bool],
        form: WireFormat,
    ) -> &'a [Rc<SharedFrame>] {
        line.choice.clear();
        let taken = choice.iter().map(|taken| taken.then_some(Delta::Off));
        line.choice.extend(taken);
        line.chosen(form)
    }

    fn only(frames: &[Rc<SharedFrame>]) -> Rc<SharedFrame> {
        assert_eq!(frames.len(), 1);
        frames[0].clone()
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
                first.push(only(joined(&mut line, choice, form)));
            }
        }
        for _ in 0..3 {
            let mut first = first.iter();
            for choice in &choices {
                for form in forms {
                    for _ in 0..2 {
                        let again = only(joined(&mut line, choice, form));
                        assert!(Rc::ptr_eq(&again, first.clone().next().expect("as many")));
                    }
                    first.next();
                }
            }
        }
        assert!(joined(&mut line, &[false; 4], WireFormat::RAW).is_empty());
        let one = only(joined(
            &mut line,
            &[false, false, true, false],
            WireFormat::RAW,
        ));
        assert_eq!(one.publications().len(), 1);
    }

    /// Members who each leave out another one's message choose each for themselves. Copying and
    /// deflating a line for each of them would be a multiplier: beyond a few they get single
    /// frames.
    #[test]
    fn beyond_a_few_choices_nothing_is_joined() {
        let texts = (0..CHOICES_MAX as u64 + 2).map(|number| {
            let payload = Payload::Text(number.to_string().into());
            let publication = Publication::message(Target::Channel("c".into()), payload);
            (number, Rc::new(Arc::new(publication)))
        });
        let publications: Vec<_> = texts.collect();
        let compression = Compression {
            min_bytes: 256,
            level: 3,
        };
        let mut line = JoinedLine::new(&publications, 1 << 16, compression);
        for left_out in 0..publications.len() {
            let choice: Vec<bool> = (0..publications.len()).map(|it| it != left_out).collect();
            let frames = joined(&mut line, &choice, WireFormat::RAW);
            let messages = frames.iter().map(|frame| frame.publications().len());
            assert_eq!(messages.sum::<usize>(), publications.len() - 1);
            assert_eq!(frames.len() == 1, left_out < CHOICES_MAX, "{left_out}");
        }
    }

    fn in_stream(offsets: &[u64]) -> Vec<Numbered> {
        let epoch = Epoch::random();
        let publications = offsets.iter().map(|offset| {
            let item = Item::new(Payload::Text("x".into()), *offset);
            let content = Content::Item(Arc::new(item));
            let publication = Publication::new(Target::Channel("c".into()), content);
            (0, Rc::new(Arc::new(publication.in_stream(epoch, None))))
        });
        publications.collect()
    }

    /// Who has all that came before a run takes it by one look instead of one for each message. A
    /// gap, an offset that comes twice or someone who is left out must be seen by each look.
    #[test]
    fn a_run_has_no_gap_and_leaves_nobody_out() {
        let run = |offsets: &[u64]| Run::of(&in_stream(offsets));
        let places = run(&[4, 5, 6]).and_then(|run| run.places).expect("a run");
        assert_eq!((places.follows, places.first, places.last), (3, 4, 6));
        assert!(run(&[0, 0]).is_some_and(|run| run.places.is_none()));
        for offsets in [&[4, 6][..], &[4, 4], &[5, 4], &[4, 0], &[0, 4]] {
            assert!(run(offsets).is_none(), "{offsets:?}");
        }
        let id = crate::id::SessionId::random();
        let message = Publication::message(Target::Channel("c".into()), Payload::Text("x".into()));
        let excluding = message.excluding(Box::new([id]), None);
        assert!(Run::of(&[(0, Rc::new(Arc::new(excluding)))]).is_none());
    }
}
