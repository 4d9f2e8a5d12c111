from mtbench_ko.cli import main

main()
