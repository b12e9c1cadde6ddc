"""`python -m seqcls` is `seqcls`."""

from seqcls.cli import main

if __name__ == "__main__":
    main()
