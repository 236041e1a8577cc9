// Promrules reads a file of Prometheus' rules and, if asked, has Prometheus' own engine evaluate them and other queries
// over scrapes, at the times of those scrapes. One JSON object on standard input (type task), one on standard output
// (type answer); it exits with 1 where there are problems.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
)

// task is what is asked for; times are in seconds.
type task struct {
	// Rules is the text of a file of rules.
	Rules string `json:"rules"`
	// Interval is the time between evaluations of the rules, from 0 on.
	Interval int64 `json:"interval"`
	// Scrapes are what targets answered, in the order of time.
	Scrapes []scrape `json:"scrapes"`
	// Queries are expressions with the time that each is asked at.
	Queries []query `json:"queries"`
}

type scrape struct {
	At int64 `json:"at"`
	// Labels of the target, which each of its samples gets.
	Labels map[string]string `json:"labels"`
	// Text is what /metrics answered; null where the target did not answer.
	Text *string `json:"text"`
}

type query struct {
	Expr string `json:"expr"`
	At   int64  `json:"at"`
}

type sample struct {
	Labels map[string]string `json:"labels"`
	// Value as text: JSON has no NaN.
	Value string `json:"value"`
}

// firing is an alert that fired at an evaluation.
type firing struct {
	At      int64             `json:"at"`
	Labels  map[string]string `json:"labels"`
	Summary string            `json:"summary"`
}

type answer struct {
	Problems []string   `json:"problems"`
	Results  [][]sample `json:"results"`
	Firing   []firing   `json:"firing"`
}

func main() {
	told, err := answered(os.Stdin)
	if err != nil {
		told.Problems = append(told.Problems, err.Error())
	}
	if err := json.NewEncoder(os.Stdout).Encode(told); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	if len(told.Problems) > 0 {
		os.Exit(1)
	}
}

func answered(input io.Reader) (answer, error) {
	told := answer{Problems: []string{}, Results: [][]sample{}, Firing: []firing{}}
	var asked task
	if err := json.NewDecoder(input).Decode(&asked); err != nil {
		return told, err
	}
	reader, quiet := parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler)
	_, problems := rulefmt.Parse([]byte(asked.Rules), false, model.UTF8Validation, reader, quiet)
	for _, problem := range problems {
		told.Problems = append(told.Problems, problem.Error())
	}
	if len(problems) > 0 || len(asked.Scrapes) == 0 {
		return told, nil
	}
	return told, replay(asked, reader, quiet, &told)
}
