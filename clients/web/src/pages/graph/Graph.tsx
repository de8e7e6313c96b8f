import { PageHead } from "../../ui/parts";

export default function Graph() {
  return <PageHead title="Graph" />;
}
