package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

// newMan writes manual pages for packages of the operating system. It is not in the help.
func newMan(*globals) *cobra.Command {
	return &cobra.Command{
		Use: "man DIR", Short: "write manual pages, one a command", Hidden: true, Args: exactArgs(1, "a folder"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil { //nolint:gosec // manual pages are for everybody
				return err
			}
			return eachCommand(cmd.Root(), func(c *cobra.Command) error {
				var page strings.Builder
				writeMan(&page, c)
				name := strings.ReplaceAll(c.CommandPath(), " ", "-") + ".1"
				return os.WriteFile(filepath.Join(args[0], name), []byte(page.String()), 0o644) //nolint:gosec // the same
			})
		},
	}
}

// eachCommand visits a command and what is below it, but for hidden ones and cobra's own.
func eachCommand(cmd *cobra.Command, visit func(*cobra.Command) error) error {
	if cmd.Hidden || cmd.Name() == "help" || cmd.Name() == "completion" {
		return nil
	}
	if err := visit(cmd); err != nil {
		return err
	}
	for _, c := range cmd.Commands() {
		if err := eachCommand(c, visit); err != nil {
			return err
		}
	}
	return nil
}

// writeMan writes one page in the macros of man(7).
func writeMan(w io.Writer, c *cobra.Command) {
	path := c.CommandPath()
	page := strings.ReplaceAll(path, " ", "-")
	fmt.Fprintf(w, ".TH %q 1 \"\" %q \"bridge\"\n", strings.ToUpper(page), "bridge "+version)
	fmt.Fprintf(w, ".SH NAME\n%s \\- %s\n", roff(page), roff(c.Short))
	fmt.Fprintf(w, ".SH SYNOPSIS\n.B %s\n", roff(c.UseLine()))
	long := c.Long
	if long == "" {
		long = c.Short
	}
	fmt.Fprintf(w, ".SH DESCRIPTION\n%s\n", roffLines(long))
	writeManFlags(w, "OPTIONS", c.NonInheritedFlags().FlagUsages())
	writeManFlags(w, "OPTIONS OF EVERY COMMAND", c.InheritedFlags().FlagUsages())
	if c.Example != "" {
		fmt.Fprintf(w, ".SH EXAMPLES\n.nf\n%s\n.fi\n", roffLines(c.Example))
	}
	fmt.Fprint(w, ".SH EXIT STATUS\n0 fine, 1 failed, 2 wrong usage or configuration.\n")
	var see []string
	if c.HasParent() {
		see = append(see, c.Parent().CommandPath())
	}
	for _, sub := range c.Commands() {
		if !sub.Hidden && sub.Name() != "help" && sub.Name() != "completion" {
			see = append(see, sub.CommandPath())
		}
	}
	for i, s := range see {
		see[i] = ".BR " + roff(strings.ReplaceAll(s, " ", "-")) + " (1)"
	}
	if len(see) > 0 {
		fmt.Fprintf(w, ".SH SEE ALSO\n%s\n", strings.Join(see, " ,\n"))
	}
}

func writeManFlags(w io.Writer, title, usages string) {
	if usages != "" {
		fmt.Fprintf(w, ".SH %s\n.nf\n%s\n.fi\n", title, roffLines(strings.TrimRight(usages, "\n")))
	}
}

// roff keeps text from being read as a macro or an escape.
func roff(text string) string {
	return strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`).Replace(text)
}

func roffLines(text string) string {
	lines := strings.Split(roff(text), "\n")
	for i, l := range lines {
		if strings.HasPrefix(l, ".") {
			lines[i] = `\&` + l
		}
		if l == "" {
			lines[i] = ".sp"
		}
	}
	return strings.Join(lines, "\n")
}
