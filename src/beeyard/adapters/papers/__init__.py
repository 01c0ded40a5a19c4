"""What is written beside a package: of which parts it is made (`sbom`), and what made it from what (`provenance`).

`wheels`, `go` and `debs` find parts that other tools brought into a package, `checkout` asks git where it lay. What was
found depends on the package's bytes and on that commit alone: the same build has the same papers.
"""
