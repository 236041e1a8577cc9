package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
	"github.com/prometheus/prometheus/model/timestamp"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
)

const (
	mostSamples = 1_000_000
	longest     = time.Minute
	contentType = "text/plain; version=0.0.4"
)

// replay stores the scrapes as Prometheus does, evaluates the rules in between, and then asks the queries.
func replay(asked task, reader parser.Parser, quiet *slog.Logger, told *answer) (err error) {
	folder, err := os.MkdirTemp("", "promrules-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	options := tsdb.DefaultOptions()
	// All in one block: nothing is compacted while scrapes of hours are stored within a second.
	options.MinBlockDuration = int64(24 * time.Hour / time.Millisecond)
	options.MaxBlockDuration = options.MinBlockDuration
	options.RetentionDuration = 0
	db, err := tsdb.Open(filepath.Join(folder, "data"), quiet, nil, options, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	engine := promql.NewEngine(promql.EngineOpts{Logger: quiet, MaxSamples: mostSamples, Timeout: longest, Parser: reader,
		EnableAtModifier: true, EnableNegativeOffset: true})
	defer func() { err = errors.Join(err, engine.Close()) }()
	groups, err := load(asked, filepath.Join(folder, "rules.yaml"), engine, db, reader, quiet)
	if err != nil {
		return err
	}
	if err := pass(asked, db, groups, told); err != nil {
		return err
	}
	for _, one := range asked.Queries {
		found, err := rules.EngineQueryFunc(engine, db)(context.Background(), one.Expr, time.Unix(one.At, 0))
		if err != nil {
			return fmt.Errorf("%s: %w", one.Expr, err)
		}
		told.Results = append(told.Results, samples(found))
	}
	return nil
}

func load(asked task, file string, engine *promql.Engine, db *tsdb.DB, reader parser.Parser, quiet *slog.Logger) ([]*rules.Group, error) {
	if err := os.WriteFile(file, []byte(asked.Rules), 0o600); err != nil {
		return nil, err
	}
	manager := rules.NewManager(&rules.ManagerOptions{
		QueryFunc:  rules.EngineQueryFunc(engine, db),
		Appendable: db,
		Queryable:  db,
		Context:    context.Background(),
		NotifyFunc: func(context.Context, string, ...*rules.Alert) {},
		Logger:     quiet,
		Parser:     reader,
	})
	interval := time.Duration(asked.Interval) * time.Second
	loaded, problems := manager.LoadGroups(interval, labels.EmptyLabels(), "", nil, false, file)
	groups := make([]*rules.Group, 0, len(loaded))
	for _, group := range loaded {
		for _, rule := range group.AlertingRules() {
			// Nothing is to be restored from an earlier life.
			rule.SetRestored(true)
		}
		groups = append(groups, group)
	}
	return groups, errors.Join(problems...)
}

// pass lets time pass: at each evaluation all scrapes up to then are there.
func pass(asked task, db *tsdb.DB, groups []*rules.Group, told *answer) error {
	targets := map[string]map[string]labels.Labels{}
	next := 0
	for at := int64(0); at <= asked.Scrapes[len(asked.Scrapes)-1].At; at += asked.Interval {
		for ; next < len(asked.Scrapes) && asked.Scrapes[next].At <= at; next++ {
			if err := keep(db, asked.Scrapes[next], targets); err != nil {
				return err
			}
		}
		for _, group := range groups {
			group.Eval(context.Background(), time.Unix(at, 0))
			for _, rule := range group.Rules() {
				if rule.LastError() != nil {
					return fmt.Errorf("%s: %w", rule.Name(), rule.LastError())
				}
			}
			for _, rule := range group.AlertingRules() {
				for _, alert := range rule.ActiveAlerts() {
					if alert.State == rules.StateFiring {
						summary := alert.Annotations.Get("summary")
						told.Firing = append(told.Firing, firing{At: at, Labels: alert.Labels.Map(), Summary: summary})
					}
				}
			}
		}
	}
	return nil
}

// keep stores what a target answered; what it told of before and does not any more is stale, as Prometheus has it.
func keep(db *tsdb.DB, one scrape, targets map[string]map[string]labels.Labels) error {
	at, target := timestamp.FromTime(time.Unix(one.At, 0)), labels.FromMap(one.Labels)
	appender := db.Appender(context.Background())
	now, err := parsed(one, at, target, appender)
	if err != nil {
		return errors.Join(err, appender.Rollback())
	}
	for name, series := range targets[target.String()] {
		if _, there := now[name]; !there {
			if _, err := appender.Append(0, series, at, math.Float64frombits(value.StaleNaN)); err != nil {
				return errors.Join(err, appender.Rollback())
			}
		}
	}
	targets[target.String()] = now
	return appender.Commit()
}

func parsed(one scrape, at int64, target labels.Labels, appender storage.Appender) (map[string]labels.Labels, error) {
	found := map[string]labels.Labels{}
	if one.Text == nil {
		return found, nil
	}
	text, err := textparse.New([]byte(*one.Text), contentType, nil, textparse.ParserOptions{})
	if err != nil {
		return nil, err
	}
	for {
		entry, err := text.Next()
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return nil, err
		}
		if entry != textparse.EntrySeries {
			continue
		}
		_, _, figure := text.Series()
		var own labels.Labels
		text.Labels(&own)
		builder := labels.NewBuilder(own)
		target.Range(func(label labels.Label) {
			// A label that both have is the target's, as where `honor_labels` is not set.
			if had := own.Get(label.Name); had != "" {
				builder.Set("exported_"+label.Name, had)
			}
			builder.Set(label.Name, label.Value)
		})
		series := builder.Labels()
		if _, err := appender.Append(0, series, at, figure); err != nil {
			return nil, err
		}
		found[series.String()] = series
	}
}

func samples(found promql.Vector) []sample {
	told := make([]sample, 0, len(found))
	for _, one := range found {
		told = append(told, sample{Labels: one.Metric.Map(), Value: strconv.FormatFloat(one.F, 'g', -1, 64)})
	}
	return told
}
