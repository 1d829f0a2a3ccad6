//! Stories of a clock: a simulated crystal, calendar and servers around a [`Keeper`].

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mail_types::UnixTime;
    use time_sync::dates::PATIENCE;
    use time_sync::{
        Bounds, Correction, Keeper, Nanoseconds, OutOfBounds, Refusal, Round, Sample, Verdict, WebDate,
    };

    /// 2026-11-18; the truth at the start is ten days later.
    const BUILT: u64 = 1_795_000_000;
    const TRUTH: u64 = BUILT + 864_000;
    /// The error of a server's claim in the stories.
    const UNCERTAINTY: Duration = Duration::from_millis(60);
    /// The shortest step of the simulation.
    const MOMENT: f64 = 1e-9;

    /// A machine that was switched on at [`TRUTH`], with a crystal whose error is in parts per million.
    struct Story {
        keeper: Keeper,
        /// Seconds since the start, by the true time.
        now: f64,
        /// The calendar's seconds after the truth.
        ahead: f64,
        crystal: f64,
        rounds: u32,
    }

    impl Story {
        fn new(crystal: f64) -> Self {
            let bounds = Bounds::new(UnixTime(BUILT), UnixTime(BUILT + 1000));
            let ahead = -((TRUTH - BUILT - 1000) as f64);
            Self {
                keeper: Keeper::new(bounds, Duration::ZERO, PATIENCE),
                now: 0.0,
                ahead,
                crystal,
                rounds: 0,
            }
        }

        fn uptime(&self) -> Duration {
            Duration::from_secs_f64(self.now)
        }

        /// Lets the time pass until the next round is due; slews end in between.
        fn wait(&mut self) {
            self.wait_until(self.keeper.next_round());
        }

        fn wait_until(&mut self, next: Duration) {
            while let Some(end) = self.keeper.slew_end(self.uptime()).filter(|end| *end < next) {
                self.run_until(end);
            }
            self.run_until(next);
        }

        fn run_until(&mut self, end: Duration) {
            let rate = self.crystal + self.keeper.rate(self.uptime());
            let span = (end.as_secs_f64() - self.now).max(MOMENT);
            self.now += span;
            self.ahead += rate * 1e-6 * span;
        }

        /// The next round, with the servers' claims in seconds after the truth, of so many servers.
        fn round(&mut self, claims: &[f64], servers: usize) -> Verdict {
            self.wait();
            self.rounds += 1;
            let truth = Nanoseconds::at(UnixTime(TRUTH));
            let seconds = |seconds: f64| Nanoseconds((seconds * 1e9) as i64);
            let sample =
                |claim: &f64| Sample { start: truth.plus(seconds(*claim)), uncertainty: UNCERTAINTY };
            let samples: Vec<Sample> = claims.iter().map(sample).collect();
            self.judge(&samples, servers, Keeper::round_ended)
        }

        /// The next dates of web servers, with clocks that are so many seconds after the truth. They are asked when it is
        /// time, whatever rounds would have been in between.
        fn dates(&mut self, claims: &[f64]) -> Verdict {
            self.wait_until(self.keeper.next_dates());
            let sent = self.uptime() - Duration::from_millis(100).min(self.uptime());
            let date = |claim: &f64| (TRUTH as f64 + self.now - 0.05 + claim) as u64;
            let answer =
                |claim: &f64| WebDate { date: UnixTime(date(claim)), sent, received: self.uptime() }.sample();
            let samples: Vec<Sample> = claims.iter().map(|claim| answer(claim).unwrap()).collect();
            self.judge(&samples, claims.len(), Keeper::dates_ended)
        }

        fn judge(
            &mut self,
            samples: &[Sample],
            servers: usize,
            by: fn(&mut Keeper, &Round<'_>) -> Verdict,
        ) -> Verdict {
            let uptime = self.uptime();
            let truth = Nanoseconds::at(UnixTime(TRUTH));
            let calendar = truth.plus(Nanoseconds::of(uptime)).plus(Nanoseconds((self.ahead * 1e9) as i64));
            let round = Round { uptime, calendar, samples, servers, chance: 0 };
            let verdict = by(&mut self.keeper, &round);
            if let Verdict::Known { correction: Correction::Step(by), .. } = verdict {
                self.ahead += by.as_seconds();
            }
            verdict
        }

        /// Rounds of silence until web servers are to be asked.
        fn silence(&mut self) {
            while self.keeper.next_round() < self.keeper.next_dates() {
                refused(self.round(&[], 3), Refusal::Silence);
            }
        }

        /// A round with three servers, which must bring the time to the truth within a tenth of a second.
        #[track_caller]
        fn good_round(&mut self, claims: &[f64; 3], agreeing: usize) {
            let verdict = self.round(claims, 3);
            assert!(
                matches!(verdict, Verdict::Known { servers, .. } if servers == agreeing),
                "round {}: {verdict:?}",
                self.rounds
            );
            assert!(self.ahead.abs() < 0.5, "round {}: {} s ahead", self.rounds, self.ahead);
        }
    }

    #[track_caller]
    fn refused(verdict: Verdict, expected: impl Into<Refusal>) {
        assert_eq!(verdict, Verdict::Refused(expected.into()));
    }

    #[test]
    fn the_first_round_steps_and_later_ones_slew() {
        let mut story = Story::new(60.0);
        story.good_round(&[0.0, 0.01, -0.01], 3);
        assert!(story.ahead.abs() < 0.02 && story.keeper.is_synchronised());
        let verdict = story.round(&[0.0; 3], 3);
        assert!(matches!(verdict, Verdict::Known { correction: Correction::Slew, .. }), "{verdict:?}");
        assert!(story.keeper.rate(story.uptime()) < -300.0, "it is ahead and runs slower");
        for _ in 0..30 {
            story.good_round(&[0.0; 3], 3);
        }
        // The crystal's error is known by now, and a round every 4.6 h is enough.
        let (before, rate) = (story.now, story.keeper.rate(story.uptime() + Duration::from_secs(5000)));
        story.good_round(&[0.0; 3], 3);
        assert!((rate + 60.0).abs() < 1.0, "{rate}");
        assert!(story.ahead.abs() < 0.01, "{}", story.ahead);
        assert_eq!((story.now - before).round(), 16_384.0);
        assert!(story.rounds < 40);
    }

    #[test]
    fn a_liar_never_wins() {
        for lie in [-864_000.0, -3600.0, -0.7, 0.7, 3600.0, 1e8] {
            let mut story = Story::new(-20.0);
            for _ in 0..5 {
                story.good_round(&[0.0, lie, 0.0], 2);
                story.good_round(&[lie, 0.0, 0.0], 2);
            }
            assert!(story.ahead.abs() < 0.05, "{lie}: {}", story.ahead);
            // Beside one honest server it keeps the time from being known, and no more.
            refused(story.round(&[lie, 0.0], 3), Refusal::Disagreement);
            // With the others silent it is not believed either.
            for _ in 0..5 {
                refused(story.round(&[lie], 3), Refusal::Alone);
            }
            assert!(story.ahead.abs() < 0.1, "{lie}: {}", story.ahead);
        }
    }

    #[test]
    fn while_nobody_answers_the_rounds_become_rare_and_the_clock_stays() {
        let mut story = Story::new(0.0);
        let ahead = story.ahead;
        for _ in 0..100 {
            refused(story.round(&[], 3), Refusal::Silence);
        }
        assert_eq!(story.ahead, ahead);
        assert!(story.now > 90.0 * 64.0, "{} s for 100 rounds", story.now);
        assert!(!story.keeper.is_synchronised());
        story.good_round(&[0.0; 3], 3);
    }

    #[test]
    fn the_only_server_must_say_the_same_three_times() {
        let mut story = Story::new(0.0);
        refused(story.round(&[0.0], 1), Refusal::Unconfirmed);
        refused(story.round(&[3.0], 1), Refusal::Unconfirmed);
        refused(story.round(&[3.05], 1), Refusal::Unconfirmed);
        let verdict = story.round(&[3.0], 1);
        assert!(matches!(verdict, Verdict::Known { servers: 1, .. }), "{verdict:?}");
        assert!((story.ahead - 3.0).abs() < 0.1);
    }

    #[test]
    fn a_time_out_of_bounds_is_refused_whoever_says_it() {
        let past = -864_000.0 + 900.0;
        let mut story = Story::new(0.0);
        refused(story.round(&[past; 3], 3), OutOfBounds::Past);
        refused(story.round(&[21.0 * 31_557_600.0; 3], 3), OutOfBounds::FarFuture);
        for _ in 0..2 {
            refused(story.round(&[past], 1), Refusal::Unconfirmed);
        }
        refused(story.round(&[past], 1), OutOfBounds::Past);
        story.good_round(&[0.0; 3], 3);
    }

    #[test]
    fn a_box_that_was_wrong_is_set_right_and_asks_more_often_again() {
        let mut story = Story::new(0.0);
        for _ in 0..12 {
            story.good_round(&[0.0; 3], 3);
        }
        story.ahead += 7200.0;
        let verdict = story.round(&[0.0; 3], 3);
        assert!(matches!(verdict, Verdict::Known { correction: Correction::Step(_), .. }), "{verdict:?}");
        let before = story.now;
        story.good_round(&[0.0; 3], 3);
        assert_eq!((story.now - before).round(), 64.0);
    }

    #[test]
    fn a_cable_that_is_plugged_in_is_noticed() {
        let mut story = Story::new(0.0);
        for _ in 0..20 {
            story.round(&[], 0);
        }
        let uptime = story.uptime();
        story.keeper.network_changed(uptime);
        assert_eq!(story.keeper.next_round(), uptime + Duration::from_secs(2));
        story.good_round(&[0.0; 3], 3);
        let next = story.keeper.next_round();
        let uptime = story.uptime();
        story.keeper.network_changed(uptime);
        assert_eq!(story.keeper.next_round(), next, "the time is known");
    }

    #[test]
    fn where_no_time_server_answers_dates_set_the_clock_to_about_a_second() {
        let mut story = Story::new(60.0);
        story.silence();
        assert_eq!(story.keeper.next_dates(), PATIENCE);
        let verdict = story.dates(&[0.3, -7200.0, -0.4]);
        assert!(
            matches!(verdict, Verdict::Known { servers: 2, correction: Correction::Step(_), .. }),
            "{verdict:?}"
        );
        assert!(story.ahead.abs() < 1.5, "{} s ahead", story.ahead);
        assert!(!story.keeper.is_synchronised(), "time servers are asked on");

        // From then on the clock is stepped only when it is off by more than dates can be, about once in seven hours.
        let (mut steps, start) = (0, story.now);
        while story.now < start + 100.0 * 3600.0 {
            story.silence();
            let verdict = story.dates(&[0.3, 0.0, -0.4]);
            steps += u32::from(matches!(verdict, Verdict::Known { correction: Correction::Step(_), .. }));
            assert!(story.ahead.abs() < 3.0, "{} s ahead", story.ahead);
        }
        assert!((5..25).contains(&steps), "{steps}");
        assert!(f64::from(story.rounds) < 500.0, "{} rounds in 100 hours", story.rounds);
    }

    #[test]
    fn time_servers_that_answer_at_last_rule() {
        let mut story = Story::new(-30.0);
        story.silence();
        story.dates(&[0.9, 0.9, 0.9]);
        story.good_round(&[0.0; 3], 3);
        assert!(story.ahead.abs() < 0.1, "{} s ahead", story.ahead);
        assert!(story.keeper.next_dates() >= story.uptime() + Duration::from_secs(86_400));
        for _ in 0..30 {
            story.good_round(&[0.0; 3], 3);
            assert!(story.keeper.next_dates() > story.keeper.next_round(), "no date is needed");
        }
        // A day without them, and dates are looked at again, which leave a clock that is right.
        story.silence();
        let ahead = story.ahead;
        let verdict = story.dates(&[0.0; 3]);
        assert!(matches!(verdict, Verdict::Known { correction: Correction::None, .. }), "{verdict:?}");
        assert!((story.ahead - ahead).abs() < 0.1 && story.keeper.is_synchronised());
    }

    #[test]
    fn time_servers_are_not_believed_against_dates() {
        for lie in [-3600.0, 400.0, 86_400.0] {
            let mut story = Story::new(0.0);
            story.silence();
            story.dates(&[0.0; 4]);
            for _ in 0..10 {
                refused(story.round(&[lie; 3], 3), Refusal::AgainstDates);
            }
            assert!(story.ahead.abs() < 1.5, "{lie}: {}", story.ahead);
            story.good_round(&[0.0; 3], 3);
        }
        // If it was the web servers that lied, and they no longer do, the time servers are believed.
        let mut story = Story::new(0.0);
        story.silence();
        story.dates(&[7200.0; 3]);
        refused(story.round(&[0.0; 3], 3), Refusal::AgainstDates);
        let minutes = (story.keeper.next_dates().as_secs_f64() - story.now) / 60.0;
        assert!(minutes < 11.0, "they are asked again in {minutes} minutes");
        story.dates(&[0.0; 3]);
        story.good_round(&[0.0; 3], 3);
    }

    #[test]
    fn dates_that_are_too_few_contradictory_or_out_of_bounds_set_no_clock() {
        let mut story = Story::new(0.0);
        let ahead = story.ahead;
        story.silence();
        refused(story.dates(&[]), Refusal::FewDates);
        refused(story.dates(&[0.0]), Refusal::FewDates);
        refused(story.dates(&[0.0, 30.0]), Refusal::ContradictoryDates);
        refused(story.dates(&[0.0, 0.0, 30.0, 30.0]), Refusal::ContradictoryDates);
        let past = -864_000.0 + 900.0 - 3600.0;
        refused(story.dates(&[past; 3]), Refusal::DatesOutOfBounds(OutOfBounds::Past));
        let future = 21.0 * 31_557_600.0;
        refused(story.dates(&[future; 3]), Refusal::DatesOutOfBounds(OutOfBounds::FarFuture));
        assert_eq!(story.ahead, ahead);
        story.good_round(&[0.0; 3], 3);
    }
}
